"""Works on a transfer task: brings together models, pipeline and ledger."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from django.conf import settings

from adit.core.deid import Assignment, Pseudonymizer
from adit.core.dicom import (
    AssociationGate,
    CancelToken,
    DicomError,
    DicomOperator,
    LocalConfig,
    PermanentDicomError,
)
from adit.core.dicom.policy import query_protocols
from adit.core.models import (
    DicomNode,
    DicomServer,
    DicomTask,
    DirectMoveRoute,
    TaskResult,
    TransferJob,
    TransferTask,
)
from adit.core.receiver.commitments import ReceivedReports
from adit.core.receiver.inbox import ReceiverInbox
from adit.core.receiver.leftovers import discard_leftovers
from adit.core.transfer.association_slots import AssociationSlots
from adit.core.transfer.commitment import CommitmentWay
from adit.core.transfer.confirmation import Inquiry, QueryWay, Way
from adit.core.transfer.destination import Destination
from adit.core.transfer.direct import DirectRoute
from adit.core.transfer.folder_places import file_destination
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.ledger_store import LedgerWriter, load_ledger, mark_unfinished_series
from adit.core.transfer.pipeline import Ending, Pipeline, plan_transfer
from adit.core.transfer.plan import Plan
from adit.core.transfer.request import TransferRequest
from adit.core.transfer.run import Run
from adit.core.transfer.server_destination import ServerDestination
from adit.core.transfer.server_pace import ServerPace
from adit.core.transfer.verdict import judge


def local_config(gate: AssociationGate | None = None) -> LocalConfig:
    """Who we are in DICOM."""
    return LocalConfig(
        association_gate=gate,
        calling_ae_title=settings.CALLING_AE_TITLE,
        receiver_ae_title=settings.RECEIVER_AE_TITLE,
        progress_timeout=settings.DICOM_PROGRESS_TIMEOUT,
    )


class TransferWork:
    """One run of one transfer task.

    The limits of the servers hold over all workers: the associations at once of source and
    destination (the run waits for one at each before it begins), and the instances per second of
    both. How many tasks run at once is limited at the source alone, by the dispatcher.
    """

    def __init__(self, task: TransferTask, job: TransferJob, run: Run) -> None:
        self._task = task
        self._job = job
        self._run = run
        self._gate: AssociationSlots | None = None

    def do(self) -> TaskResult:
        """Transfer, prove, and judge by the ledger.

        Raises:
            PermanentDicomError: the owner may not do this any more, or nothing can be planned.
            Canceled: the run was told to stop.
        """
        self._check_rights()
        ledger = load_ledger(self._task.pk)
        if self._run.attempt == 1:
            ledger.try_failed_again()
        ending = self._transfer(ledger)
        mark_unfinished_series([self._task.pk])
        if not ledger.missing():
            discard_leftovers(self._task.pk, self._task.study_instance_uid)
        return judge(ledger, ending, self._task.destination.name)

    def _transfer(self, ledger: Ledger) -> Ending:
        with contextlib.ExitStack() as stack:
            try:
                self._gate = stack.enter_context(self._reserve_associations())
                source = stack.enter_context(self._operator(self._source_server(), receives=True))
                request = self._request()
                waits = settings.TRANSFER_RECONNECT_WAITS
                plan = plan_transfer(source, request, self._run, waits)
                pseudonymizer = self._pseudonymizer(plan)
                patients = self._patients_at_destination(plan, pseudonymizer)
                destination = self._destination(stack, plan, pseudonymizer, ledger, patients)
                pipeline = Pipeline(
                    request,
                    source,
                    destination,
                    pseudonymizer,
                    ledger,
                    self._run,
                    direct=self._direct_route(stack, plan, destination),
                    waits=waits,
                    patient_ids=None if pseudonymizer else patients,
                )
                ledger.expect(plan)
                with LedgerWriter(ledger, self._run, self._task.pk):
                    ending = pipeline.transfer(plan)
            except DicomError as error:
                return Ending(error, (), self._task.proof)
        if ending.method:
            self._remember(proof=ending.method[:255])
        return ending

    # Rights

    def _check_rights(self) -> None:
        """The owner's rights in the group of the job count when the work is done, too."""
        owner, group, task = self._job.owner, self._job.group, self._task
        if not owner.is_active or group is None or not owner.groups.filter(pk=group.pk).exists():
            raise PermanentDicomError("The owner's account or group is not active any more.")
        owner.active_group = group
        for node in (task.source, task.destination):
            if not node.is_active:
                raise PermanentDicomError(f"{node} has been switched off by staff.")
        nodes: Any = DicomNode.objects
        if not nodes.sources_of(owner).filter(pk=task.source_id).exists():
            raise PermanentDicomError(f"The owner may not read from {task.source} any more.")
        if not nodes.destinations_of(owner).filter(pk=task.destination.pk).exists():
            raise PermanentDicomError(f"The owner may not write to {task.destination} any more.")
        if not self._job.profile and not owner.has_perm("core.can_transfer_unpseudonymized"):
            raise PermanentDicomError("The owner may transfer only with a pseudonym.")

    # From models to what the pipeline takes

    def _source_server(self) -> DicomServer:
        return DicomServer.objects.get(pk=self._task.source_id)

    def _reserve_associations(self) -> AssociationSlots:
        servers = [self._source_server()]
        if self._task.destination.kind == DicomNode.Kind.SERVER:
            servers.append(DicomServer.objects.get(pk=self._task.destination.pk))
        slots = AssociationSlots([s for s in servers if s.host and s.port], self._run.cancel)
        try:
            slots.reserve(self._say_waiting)
        except BaseException:
            slots.close()
            raise
        return slots

    def _say_waiting(self, server: str) -> None:
        self._run.progress(now=True, phase="waiting")
        self._run.event(f"Waits for an association with {server}: all are in use.")

    def _operator(
        self,
        server: DicomServer,
        *,
        receives: bool = False,
        sends: bool = False,
        cancel: CancelToken | None = None,
    ) -> DicomOperator:
        run = self._run
        inbox = ReceiverInbox(spill_folder=run.folder) if receives else None
        config = server.to_config()
        if not sends:
            # One association after the other: the run has one slot at each server. A sender takes
            # more where some are free.
            config = replace(config, max_associations=1)
        return DicomOperator(
            config,
            local_config(self._gate),
            cancel=cancel or run.cancel,
            incoming=inbox,
            spill_folder=run.folder,
            reports=ReceivedReports(config),
            pace=ServerPace(server, run.cancel) if server.max_instances_per_second else None,
        )

    def _request(self) -> TransferRequest:
        task, profile = self._task, self._job.profile
        return TransferRequest(
            patient_id=task.patient_id,
            study_instance_uid=task.study_instance_uid,
            series_instance_uids=tuple(task.series_instance_uids),
            excluded_modalities=frozenset(profile.excluded_modalities if profile else ()),
            pseudonymize=bool(profile),
            convert_to_nifti=self._job.convert_to_nifti,
        )

    def _pseudonymizer(self, plan: Plan) -> Pseudonymizer | None:
        if self._job.profile is None:
            return None
        if not self._task.pseudonym:
            raise PermanentDicomError("The task has a de-identification profile but no pseudonym.")
        return Pseudonymizer(
            self._job.profile.to_profile(),
            Assignment(
                pseudonym=self._task.pseudonym,
                trial_protocol_id=self._job.trial_protocol_id,
                trial_protocol_name=self._job.trial_protocol_name,
                patient=plan.patient,
            ),
        )

    def _patients_at_destination(self, plan: Plan, pseudonymizer: Pseudonymizer | None) -> set[str]:
        """The patient IDs under which a server files what it gets. What is not changed on the way
        may hold others than the plan says; these are added when it has come."""
        if pseudonymizer:
            return {self._task.pseudonym}
        return {plan.patient_id or self._task.patient_id}

    def _destination(
        self,
        stack: contextlib.ExitStack,
        plan: Plan,
        pseudonymizer: Pseudonymizer | None,
        ledger: Ledger,
        patients: set[str],
    ) -> Destination:
        node = self._task.destination
        if node.kind == DicomNode.Kind.SERVER:
            server = DicomServer.objects.get(pk=node.pk)
            return ServerDestination(
                stack.enter_context(self._operator(server, sends=True)),
                self._inquiry(stack, server, patients),
                ledger.was_taken,
            )
        study_uid = self._task.study_instance_uid
        if pseudonymizer:
            study_uid = pseudonymizer.map_uid(study_uid)
        return file_destination(self._task, self._job, plan, study_uid, ledger, self._run)

    def _inquiry(
        self, stack: contextlib.ExitStack, server: DicomServer, patients: set[str]
    ) -> Inquiry:
        """All ways to ask the server what it holds, the preferred one first."""
        patience = settings.CONFIRM_PATIENCE_SECONDS
        ways: list[Way] = []
        for protocol in query_protocols(server.to_config()):
            server.preferred_query = protocol
            ways.append(QueryWay(stack.enter_context(self._operator(server)), patients))
        commitment = None
        if server.storage_commitment_support:
            operator = stack.enter_context(self._operator(server))
            commitment = CommitmentWay(operator, patience)
        return Inquiry(ways, self._run.cancel, patience, last=commitment)

    def _direct_route(
        self, stack: contextlib.ExitStack, plan: Plan, destination: Destination
    ) -> DirectRoute | None:
        """The way straight from server to server, where it is set up and nothing is to change."""
        if self._job.profile is not None or not isinstance(destination, ServerDestination):
            return None
        if plan.shared:
            # The source would send what is of other patients, too.
            return None
        route = DirectMoveRoute.objects.filter(
            source=self._task.source_id, destination=self._task.destination.pk, is_active=True
        ).first()
        if route is None or not destination.can_be_asked:
            return None
        source = self._source_server()
        if not (source.study_root_move_support or source.patient_root_move_support):
            return None
        target = DicomServer.objects.get(pk=self._task.destination.pk)
        if source.max_instances_per_second or target.max_instances_per_second:
            # How fast the source sends to others cannot be held back from here.
            return None
        stop = CancelToken()
        stack.enter_context(self._run.cancel.on_cancel(stop.cancel))
        operator = stack.enter_context(self._operator(source, cancel=stop))
        return DirectRoute(operator, destination, route.destination_ae_title, stop)

    def _remember(self, **columns: str) -> None:
        """Write columns of this kind's own table."""
        type(self._task).objects.filter(pk=self._task.pk).update(**columns)
        for name, value in columns.items():
            setattr(self._task, name, value)


class TransferProcessor:
    """Processes the transfer tasks of one kind of job.

    Args:
        job_model: the jobs whose tasks these are.
    """

    def __init__(self, job_model: type[TransferJob]) -> None:
        self._job_model = job_model

    def __call__(self, task: DicomTask, run: Run) -> TaskResult:
        assert isinstance(task, TransferTask)
        jobs = self._job_model.objects.select_related("owner", "group", "profile")
        return TransferWork(task, jobs.get(pk=task.job_id), run).do()
