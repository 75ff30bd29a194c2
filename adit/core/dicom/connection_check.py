"""The connection test: what a server can do, found out without touching anything it holds.

Nothing is moved and nothing is written: queries and moves ask for a study that cannot exist. Only
WADO-RS is asked for an instance that is there, as many servers answer alike for a study that they
do not have and for a service; of the answer no more than the head is read.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pydicom.uid import generate_uid

from .advice import ASK_ADMIN
from .attributes import Attributes
from .cancel import Canceled, CancelToken
from .commitment import STORAGE_COMMITMENT_CLASS
from .config import LocalConfig, ServerConfig
from .connection_report import LABELS, ConnectionReport, Verdict
from .contexts import Context, get_context_batches, query_contexts, storage_contexts
from .dicomweb import wado
from .dicomweb.client import DicomWebClient
from .dicomweb.qido import find_one, search
from .dimse.association import Association
from .dimse.connector import (
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
    Scope,
)
from .dimse.find import VERIFICATION, echo, find
from .dimse.move import move
from .dimse.progress import ProgressClock, RetrieveReport
from .errors import DicomError, PermanentDicomError, TransientDicomError
from .query import Query, request_keys

# Nobody waits longer for one step of a test than this, in seconds.
_PATIENCE = {"connect_timeout": 5, "acse_timeout": 10, "network_timeout": 15}
# Nor longer than this for all of it.
AT_MOST = 60.0
_ECHOES = 5
# So many answers show as well as all of them that a server does not look at the study asked for.
_ENOUGH_ANSWERS = 20
_CT = "1.2.840.10008.5.1.4.1.1.2"
_MR = "1.2.840.10008.5.1.4.1.1.4"
_PLAIN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_UNKNOWN_DESTINATION = "A801"
_KEY_IGNORED = "key ignored"
_SERVICES = {
    "study_root_find_support": STUDY_ROOT_FIND,
    "patient_root_find_support": PATIENT_ROOT_FIND,
    "study_root_get_support": STUDY_ROOT_GET,
    "patient_root_get_support": PATIENT_ROOT_GET,
    "study_root_move_support": STUDY_ROOT_MOVE,
    "patient_root_move_support": PATIENT_ROOT_MOVE,
    "storage_commitment_support": STORAGE_COMMITMENT_CLASS,
}
_WEB = ("dicomweb_qido_support", "dicomweb_wado_support", "dicomweb_stow_support")
_DIMSE = (*_SERVICES, "store_scp_support")
# What servers say to a request without content: they know the service and miss the instances.
_STOW_IS_THERE = frozenset({200, 202, 204, 400, 409, 411, 415, 422})
_SERVICE_IS_NOT_THERE = frozenset({404, 405, 501})
# So answers who speaks DICOMweb at that address, be it that something is not there.
_DICOM_TYPES = frozenset({"multipart/related", "application/dicom", "application/dicom+json"})


def check_connection(
    server: ServerConfig, local: LocalConfig | None = None, cancel: CancelToken | None = None
) -> ConnectionReport:
    """Tests all that a server is said to offer; takes a minute at the very most (`AT_MOST`).

    Failures are findings, not exceptions; so is that the time was over before the end.

    Raises:
        Canceled: If `cancel` is set.
    """
    own = (local or LocalConfig()).for_server(server)
    patience = {name: min(limit, getattr(own, name)) for name, limit in _PATIENCE.items()}
    cancel, over = cancel or CancelToken(), CancelToken()
    # The shorter limits count whatever is set for the server.
    server_now = replace(server, **dict.fromkeys(_PATIENCE), progress_timeout=None)
    check = _Check(
        ConnectionReport(server),
        server_now,
        replace(own, **patience, progress_timeout=patience["network_timeout"]),
        over,
    )
    timer = threading.Timer(AT_MOST, over.cancel)
    timer.daemon = True
    timer.start()
    try:
        with cancel.on_cancel(over.cancel):
            if server.host and server.port:
                check.dimse()
            if server.dicomweb_root_url:
                check.web()
    except Canceled:
        cancel.check()
        # What the server only said that it offers is not proposed as if it had been tested.
        check.report.capabilities.clear()
        check.report.note(
            "Time",
            Verdict.FAILED,
            f"The test was ended after {AT_MOST:.0f} seconds. What was not reached by then is not "
            "tested: the server is too slow, or goes on answering without end.",
        )
    finally:
        timer.cancel()
    if not check.report.findings:
        says = "Neither a host nor a DICOMweb address is set."
        check.report.note("Settings", Verdict.FAILED, says)
    return check.report


@dataclass(slots=True)
class _Check:
    report: ConnectionReport
    server: ServerConfig
    local: LocalConfig
    cancel: CancelToken

    def _try(
        self, title: str, step: Callable[[], str], flags: Collection[str] = ()
    ) -> DicomError | None:
        """Runs a step, which says what it found, and notes how it ended."""
        started = time.monotonic()
        try:
            says = step()
        except DicomError as error:
            self.report.note(title, Verdict.FAILED, str(error), time.monotonic() - started, flags)
            return error
        self.report.note(title, Verdict.PASSED, says, time.monotonic() - started)
        return None

    @contextmanager
    def _association(self, contexts: tuple[Context, ...]) -> Iterator[Association]:
        association = Association.open(self.server, self.local, contexts, self.cancel)
        try:
            yield association
        except BaseException:
            association.abort()
            raise
        association.release()

    def dimse(self) -> None:
        """All that is offered over DIMSE."""
        over_dimse = self.report.where_used(_DIMSE)
        if self._try("Association", self._associate, over_dimse):
            return
        self._try("C-ECHO", self._echo, over_dimse)
        capabilities = self.report.capabilities
        for flag in ("study_root_find_support", "patient_root_find_support"):
            model = _SERVICES[flag]
            if capabilities[flag]:
                error = self._try(LABELS[flag], lambda model=model: self._find(model), [flag])
                self._take_back(flag, error)
        for flag in ("study_root_get_support", "patient_root_get_support"):
            if capabilities[flag]:
                model = _SERVICES[flag]
                error = self._try(
                    LABELS[flag], lambda model=model: self._get_contexts(model), [flag]
                )
                self._take_back(flag, error)
        for flag in ("study_root_move_support", "patient_root_move_support"):
            if capabilities[flag]:
                self._move(flag)

    def _take_back(self, flag: str, error: DicomError | None) -> None:
        """What failed is not proposed; what may work later is not denied either."""
        if isinstance(error, PermanentDicomError):
            self.report.capabilities[flag] = False
        elif error is not None:
            del self.report.capabilities[flag]

    def _associate(self) -> str:
        contexts = (
            *query_contexts([VERIFICATION, *_SERVICES.values()]),
            *storage_contexts((_CT, syntax) for syntax in _PLAIN),
        )
        with self._association(contexts) as association:
            accepted = association.agreement.by_class
            for flag, uid in _SERVICES.items():
                self.report.capabilities[flag] = uid in accepted
            self.report.capabilities["store_scp_support"] = _CT in accepted
            maximum = association.agreement.peer_maximum
        size = f"PDUs of {maximum} bytes" if maximum else "PDUs of any size"
        return f"The server accepts us as {self.local.calling_ae_title!r}, and takes {size}."

    def _echo(self) -> str:
        times = []
        with self._association(query_contexts([VERIFICATION])) as association:
            for _ in range(_ECHOES):
                started = time.monotonic()
                echo(association)
                times.append(time.monotonic() - started)
        self.report.latency = statistics.median(times)
        return f"The server answers after {1000 * self.report.latency:.1f} ms."

    def _find(self, model: str) -> str:
        patient_root = model == PATIENT_ROOT_FIND
        query = Query(patient_id="", study_instance_uid=_nothing())
        keys = {"QueryRetrieveLevel": "STUDY", **request_keys(query, "STUDY")}
        if patient_root:
            keys["PatientID"] = _nothing()[:20]
        with self._association(query_contexts([model])) as association:
            self._expect_nothing(find(association, model, keys, lambda: None))
        return "The server answers queries."

    def _expect_nothing(self, answers: Iterator[Attributes]) -> None:
        """Nobody has the study that was asked for: who answers looks at something else."""
        found = sum(1 for _ in itertools.islice(answers, _ENOUGH_ANSWERS))
        close = getattr(answers, "close", None)
        if close is not None:
            close()
        if found:
            count = f"{found} or more" if found == _ENOUGH_ANSWERS else str(found)
            raise TransientDicomError(
                f"{self.server.name} ignores the Study Instance UID that it is asked for: answers "
                f"came ({count}) for a study that nobody has.",
                code=_KEY_IGNORED,
                advice=f"{ASK_ADMIN} how it matches Study Instance UIDs; transfers need that.",
            )

    def _get_contexts(self, model: str) -> str:
        contexts = get_context_batches(model, [_CT, _MR])[0]
        with self._association(contexts) as association:
            agreement = association.agreement
            syntaxes = [c for c in agreement.accepted.values() if c.abstract_syntax in (_CT, _MR)]
            if not syntaxes:
                raise PermanentDicomError(
                    f"{self.server.name} offers C-GET, but accepts no context to send in.",
                    code="context rejected",
                )
            role = "" if agreement.scp_classes else " It does not confirm our role as receiver."
        return f"The server would send CT and MR in {len(syntaxes)} contexts.{role}"

    def _move(self, flag: str) -> None:
        title, model = LABELS[flag], _SERVICES[flag]
        destination = self.local.receiver_ae_title
        report = RetrieveReport()
        keys = Scope(patient_id=_nothing()[:20], study_instance_uid=_nothing()).keys(
            patient_root=model == PATIENT_ROOT_MOVE
        )
        started = time.monotonic()
        try:
            with self._association(query_contexts([model])) as association:
                clock = ProgressClock(self.local.progress_timeout)
                move(association, model, keys, destination, 1, report, clock)
            error = report.failure(self.server.name, "C-MOVE")
        except DicomError as failure:
            error = failure
        seconds = time.monotonic() - started
        if error is None:
            says = f"The server accepts {destination!r} as destination."
            self.report.note(title, Verdict.PASSED, says, seconds)
            return
        # The service is there, but not shown to work: that is no reason to switch it on.
        del self.report.capabilities[flag]
        if error.code == _UNKNOWN_DESTINATION:
            says = f"{error} (our receiver's AE title: {destination!r})"
            self.report.note(title, Verdict.FAILED, says, seconds, [flag])
        else:
            # To ask for a study that is not there may be a failure in itself.
            says = f"The server does not move a study that it does not have: {error}"
            self.report.note(title, Verdict.UNCLEAR, says, seconds)

    def web(self) -> None:
        """All that is offered over DICOMweb."""
        try:
            client = DicomWebClient(self.server, self.local, self.cancel)
        except DicomError as error:
            self.report.note(
                "DICOMweb", Verdict.FAILED, str(error), flags=self.report.where_used(_WEB)
            )
            return
        try:
            flags = self.report.where_used(["dicomweb_qido_support"])
            error = self._try("QIDO-RS", lambda: self._qido(client), flags)
            if error is None:
                self.report.capabilities["dicomweb_qido_support"] = True
            elif _says_absent(error):
                self.report.capabilities["dicomweb_qido_support"] = False
            elif error.code != _KEY_IGNORED and (not flags or self.report.uses(flags)):
                return
            self._wado(client)
            self._stow(client)
        finally:
            client.close()

    def _qido(self, client: DicomWebClient) -> str:
        started = time.monotonic()
        query = Query(study_instance_uid=_nothing())
        self._expect_nothing(search(client, query, "STUDY", lambda: None))
        seconds = time.monotonic() - started
        return f"The server answers queries, after {1000 * seconds:.0f} ms."

    def _answer(
        self, client: DicomWebClient, method: str, url: str, **request: object
    ) -> tuple[int, str]:
        """The status of an answer and its media type; the body is not read."""
        with client.stream(method, url, good=frozenset(range(100, 600)), **request) as response:  # type: ignore[arg-type]
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            return response.status_code, kind.strip().lower()

    def _wado(self, client: DicomWebClient) -> None:
        flags = self.report.where_used(["dicomweb_wado_support"])
        try:
            there = self._some_instance(client)
            path = there or f"studies/{_nothing()}"
            url = client.url(self.server.dicomweb_wado_prefix, path)
            status, kind = self._answer(client, "GET", url, accept=wado.ACCEPT)
        except DicomError as error:
            self.report.note("WADO-RS", Verdict.FAILED, str(error), flags=flags)
            return
        absent = _SERVICE_IS_NOT_THERE if there else {405, 501}
        if status in (401, 403):
            says = f"The server does not let us in (HTTP {status})."
            self.report.note("WADO-RS", Verdict.FAILED, says, flags=flags)
        elif kind in _DICOM_TYPES and (status in (200, 206) or not there):
            self.report.capabilities["dicomweb_wado_support"] = True
            of = "that it has" if there else "that it does not have"
            says = f"The server answers HTTP {status} for an instance {of}, as {kind}."
            self.report.note("WADO-RS", Verdict.PASSED, says)
        elif status in absent:
            self.report.capabilities["dicomweb_wado_support"] = False
            says = f"The server does not offer it (HTTP {status})."
            self.report.note("WADO-RS", Verdict.UNCLEAR, says)
        elif there:
            says = f"The server answers HTTP {status} for an instance that it has."
            self.report.note("WADO-RS", Verdict.UNCLEAR, says)
        else:
            says = f"The server answers HTTP {status} for a study that it does not have."
            self.report.note("WADO-RS", Verdict.UNCLEAR, f"{says} Only a transfer can prove more.")

    def _some_instance(self, client: DicomWebClient) -> str:
        """The path of an instance that the server has, or "" where none is found."""
        if not self.report.capabilities.get("dicomweb_qido_support"):
            return ""
        try:
            study = _uid(find_one(client, Query(), "STUDY"), "StudyInstanceUID")
            query = Query(study_instance_uid=study)
            series = study and _uid(find_one(client, query, "SERIES"), "SeriesInstanceUID")
            query = Query(study_instance_uid=study, series_instance_uid=series)
            instance = series and _uid(find_one(client, query, "IMAGE"), "SOPInstanceUID")
        except DicomError:
            return ""
        return f"studies/{study}/series/{series}/instances/{instance}" if instance else ""

    def _stow(self, client: DicomWebClient) -> None:
        url = client.url(self.server.dicomweb_stow_prefix, "studies")
        boundary = "nothing"
        try:
            status, _ = self._answer(
                client,
                "POST",
                url,
                accept="application/dicom+json",
                headers={
                    "Content-Type": f'multipart/related; type="application/dicom"; '
                    f"boundary={boundary}"
                },
                content=f"\r\n--{boundary}--\r\n".encode(),
            )
        except DicomError as error:
            flags = self.report.where_used(["dicomweb_stow_support"])
            self.report.note("STOW-RS", Verdict.FAILED, str(error), flags=flags)
            return
        if status in _STOW_IS_THERE:
            self.report.capabilities["dicomweb_stow_support"] = True
            says = f"The server answers a request without instances (HTTP {status})."
            self.report.note("STOW-RS", Verdict.PASSED, says)
        elif status in _SERVICE_IS_NOT_THERE:
            self.report.capabilities["dicomweb_stow_support"] = False
            says = f"The server does not offer it (HTTP {status})."
            self.report.note("STOW-RS", Verdict.UNCLEAR, says)
        else:
            self.report.note("STOW-RS", Verdict.UNCLEAR, f"The server answers HTTP {status}.")


def _nothing() -> str:
    """A UID that nobody has."""
    return generate_uid(prefix=None)


def _uid(found: Attributes | None, keyword: str) -> str:
    return found.uid(keyword) if found is not None else ""


def _says_absent(error: DicomError) -> bool:
    return error.code in {f"HTTP {status}" for status in _SERVICE_IS_NOT_THERE}
