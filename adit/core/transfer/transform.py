"""The second stage: enter arrivals in the ledger and de-identify them, if something must change."""

from __future__ import annotations

import errno
import io
import logging
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydicom.datadict import keyword_for_tag
from pydicom.tag import Tag

from adit.core.deid import (
    DeidentificationError,
    DeidResult,
    ExcludedModality,
    Finding,
    Pseudonymizer,
)
from adit.core.dicom import (
    DicomInstance,
    FileSlice,
    MalformedDataSet,
    TransientDicomError,
)
from adit.core.transfer.deid_counts import DeidCounts
from adit.core.transfer.items import Outgoing
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.patients import Ownership
from adit.core.transfer.run import Run

logger = logging.getLogger(__name__)


def check_in(
    instances: Iterable[DicomInstance], ledger: Ledger, run: Run, owner: Ownership
) -> Iterator[Outgoing]:
    """Enter each arrival in the ledger; what came twice, was not wanted or belongs to another
    patient is dropped here.

    What comes twice in one fetch, in one transfer syntax, should be the same both times.
    """
    syntaxes: dict[str, str] = {}
    for instance in instances:
        run.cancel.check()
        try:
            ids = instance.identifiers()
        except MalformedDataSet as err:
            run.event(f"An instance from the source cannot be read: {err}", "warning")
            instance.discard()
            continue
        uid = instance.sop_instance_uid
        surplus = ledger.is_surplus(ids.series_instance_uid, uid)
        if not owner.accepts(ids.patient_id, run, listed=not surplus):
            ledger.of_another_patient(ids.series_instance_uid, uid)
            instance.discard()
            continue
        sha256 = instance.sha256()
        if not ledger.received(ids.series_instance_uid, uid, sha256, instance.size):
            if syntaxes.get(uid) == instance.transfer_syntax_uid:
                ledger.came_again(uid, sha256)
            instance.discard()
            continue
        syntaxes[uid] = instance.transfer_syntax_uid
        yield Outgoing(
            source_uid=uid,
            source_series_uid=ids.series_instance_uid,
            study_uid=ids.study_instance_uid,
            series_uid=ids.series_instance_uid,
            instance=instance,
            sha256=sha256,
        )


def pseudonymize(
    arrivals: Iterable[Outgoing], pseudonymizer: Pseudonymizer, ledger: Ledger, folder: Path
) -> Iterator[Outgoing]:
    """De-identify each instance; one in which the leak gate finds something is held back, unless
    staff has released it with just that content."""
    for arrival in arrivals:
        try:
            outgoing, result = _pseudonymize_one(arrival, pseudonymizer, folder)
        except ExcludedModality as err:
            ledger.excluded(arrival.source_uid, str(err))
            continue
        except DeidentificationError as err:
            logger.warning("De-identification refused an instance: %s", err)
            ledger.failed(arrival.source_uid, f"De-identification: {err}", retry=False)
            continue
        finally:
            arrival.discard()
        if result.excluded:
            ledger.excluded(arrival.source_uid, result.excluded)
            outgoing.discard()
            continue
        if result.findings:
            findings = {str(one) for one in result.findings}
            accepted, sha256 = ledger.released(arrival.source_uid)
            if not findings <= accepted or outgoing.sha256 != sha256:
                reason = reason_for_holding(result.findings)
                if accepted:
                    reason = f"{HELD_AGAIN} {reason}"
                ledger.held(arrival.source_uid, reason, findings, outgoing.sha256)
                outgoing.discard()
                continue
        actions = Counter({str(action): n for action, n in result.action_counts.items()})
        counts = DeidCounts(1, actions, Counter(result.unknown))
        ledger.deidentified(arrival.source_uid, counts)
        yield outgoing


HELD_AGAIN = "Not what staff released, so it waits again."


def reason_for_holding(findings: Iterable[Finding]) -> str:
    """Why an instance is held, without any value."""
    places = sorted({_name_of(finding.tag) for finding in findings})
    shown = ", ".join(places[:4]) + (f" and {len(places) - 4} more" if len(places) > 4 else "")
    return f"Held: identifying values may remain in {shown}."


def work_folder_error(error: OSError) -> TransientDicomError:
    """What a failure of our own disk means to a transfer."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TransientDicomError(
            "The worker's disk is full.", code="disk", advice="Free some disk space."
        )
    return TransientDicomError("The worker's disk failed.", code="disk")


def _name_of(tag: int) -> str:
    """`PatientName (0010,0010)`."""
    return f"{keyword_for_tag(tag)} {Tag(tag)}".strip()


def _pseudonymize_one(
    arrival: Outgoing, pseudonymizer: Pseudonymizer, folder: Path
) -> tuple[Outgoing, DeidResult]:
    instance = arrival.instance
    syntax = instance.transfer_syntax_uid
    if isinstance(instance.data, FileSlice):
        path = folder / f"{uuid.uuid4().hex}.deid"
        try:
            with instance.open() as source, path.open("w+b") as target:
                result = pseudonymizer.process(source, target, syntax)
        except BaseException as error:
            path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise work_folder_error(error) from error
            raise
        data: bytes | FileSlice = FileSlice(path, 0, path.stat().st_size)
    else:
        buffer = io.BytesIO()
        result = pseudonymizer.process(io.BytesIO(instance.data), buffer, syntax)
        data = buffer.getvalue()
    # Cleaned pixels are written uncompressed.
    syntax = result.transfer_syntax_uid or syntax
    changed = DicomInstance(result.sop_class_uid, result.sop_instance_uid, syntax, data)
    outgoing = Outgoing(
        source_uid=arrival.source_uid,
        source_series_uid=arrival.source_series_uid,
        study_uid=result.study_instance_uid,
        series_uid=result.series_instance_uid,
        instance=changed,
        sha256=changed.sha256(),
    )
    return outgoing, result
