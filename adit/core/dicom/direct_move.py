"""C-MOVE from one server straight to another, past our receiver (PS3.4 C.4.2)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from .dimse import DimseConnector, ProgressClock, RetrieveReport, Scope


def scopes_of(
    patient_id: str,
    study_instance_uid: str,
    series: Mapping[str, Collection[str] | None] | None,
) -> list[Scope]:
    """What to ask for, request by request; without `series` it is the study as one."""
    if series is None:
        return [Scope(patient_id=patient_id, study_instance_uid=study_instance_uid)]
    return [
        Scope(
            patient_id=patient_id,
            study_instance_uid=study_instance_uid,
            series_instance_uid=uid,
            sop_instance_uids=tuple(sorted(uids or ())),
        )
        for uid, uids in series.items()
    ]


def move_directly(
    connector: DimseConnector,
    scopes: list[Scope],
    destination_ae_title: str,
    new_report: Callable[[], RetrieveReport],
) -> RetrieveReport:
    """Runs one C-MOVE for each scope, and returns the sum of what the server reports.

    Raises:
        DicomError: If the server reports a failure; what follows is not asked for.
        Canceled: If the token was set.
    """
    total = RetrieveReport(status=0)
    for message_id, scope in enumerate(scopes, start=1):
        report = new_report()
        clock = ProgressClock(connector.local.progress_timeout)
        connector.move(scope, destination_ae_title, message_id, report, clock)
        total.completed += report.completed
        total.failed += report.failed
        total.warning += report.warning
        if (error := report.failure(connector.server.name, "C-MOVE")) is not None:
            raise error
    return total
