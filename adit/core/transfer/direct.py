"""Direct C-MOVE: where nothing has to change, the source sends straight to the destination.

Nothing passes through here, so nothing that the source says counts as proof: what arrived is asked
at the destination, by SOP Instance UID. What is missing afterwards goes the ordinary way.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from adit.core.dicom import (
    Canceled,
    CancelToken,
    DicomError,
    DicomOperator,
    PermanentDicomError,
    RetrieveReport,
)
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import Plan
from adit.core.transfer.run import Run
from adit.core.transfer.server_destination import ServerDestination

# So many instances are asked for by name in one request (PS3.4 C.4.2.2.1).
_BY_NAME = 64
# The destination is asked this often while the source sends; in seconds.
_FIRST_LOOK, _LONGEST_PAUSE = 1.0, 10.0
# A source that says to have sent nothing is not waited for as long as one that sent.
_SHORT_PATIENCE = 2.0


@dataclass(frozen=True)
class Part:
    """What one C-MOVE asks for; no names: the whole series."""

    series_uid: str
    names: frozenset[str] | None


class DirectRoute:
    """The way from one server straight to another.

    Args:
        source: sends; nobody else uses it meanwhile.
        destination: takes, and is asked what it holds.
        ae_title: of the destination, as the source knows it.
        stop: ends what `source` does.
    """

    def __init__(
        self,
        source: DicomOperator,
        destination: ServerDestination,
        ae_title: str,
        stop: CancelToken,
    ) -> None:
        self.source = source
        self.destination = destination
        self.ae_title = ae_title
        self._stop = stop

    def transfer(self, plan: Plan, study_uid: str, ledger: Ledger, run: Run) -> str:
        """Let the source send what is missing; returns how the delivery was proven, or "".

        Raises:
            Canceled: the run was told to stop.
        """
        method = ""
        if run.attempt > 1:
            method = self._look(study_uid, ledger, patience=0)
        parts = list(parts_of(ledger))
        if not parts:
            return method
        name = self.source.server.name
        run.progress(now=True, phase="transferring", protocol="C-MOVE, direct")
        run.event(f"{name} sends straight to {self.destination.name} by C-MOVE.")
        done = ledger.totals().confirmed
        moves = _Moves(self.source, plan.patient_id, study_uid, self.ae_title, parts)
        moves.start()
        pause = _FIRST_LOOK
        try:
            while not moves.wait(pause):
                method = self._look(study_uid, ledger, patience=0) or method
                if not list(parts_of(ledger)):
                    # All is there: whatever the source goes on to say is of no interest.
                    break
                ledger.reported(done + moves.completed)
                pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._stop.cancel()
            moves.wait(None)
            self.source.close()
        run.cancel.check()
        for error in moves.errors:
            run.event(f"Direct C-MOVE: {error}", "warning")
        patience = None if moves.completed else _SHORT_PATIENCE
        run.progress(now=True, phase="confirming")
        method = self._look(study_uid, ledger, patience=patience) or method
        self._check_lists(moves, study_uid, ledger)
        ledger.reported(0)
        left = sum(len(part.names or ()) for part in parts_of(ledger, names=True))
        if left:
            run.event(f"{left} instances did not arrive directly; they go the ordinary way.")
        return method

    def _look(self, study_uid: str, ledger: Ledger, *, patience: float | None) -> str:
        """Enter what the destination holds now; without patience it is asked once."""
        expected = {part.series_uid: part.names or () for part in parts_of(ledger, names=True)}
        if not expected:
            return ""
        found, method = self.destination.find(study_uid, expected, patience)
        for series_uid, uids in found.items():
            ledger.found_unchanged(series_uid, uids)
        return method

    def _check_lists(self, moves: _Moves, study_uid: str, ledger: Ledger) -> None:
        """Have series fetched as a whole of which the source had listed a part: it counts more when
        it sends, and the destination holds more."""
        listed = ledger.listed()
        for series_uid, number in moves.announced().items():
            known = listed[series_uid]
            if number > len(known) and self.destination.holds_others(study_uid, series_uid, known):
                ledger.list_is_short(series_uid)


def parts_of(ledger: Ledger, *, names: bool = False) -> Iterator[Part]:
    """What is missing of the series whose instances are named, in requests of bearable size.

    Args:
        names: give the names also where the whole series is missing.
    """
    sizes = {series.series_instance_uid: len(series.records) for series in ledger.series}
    for series_uid, missing in ledger.missing().items():
        if missing is None:
            continue
        if names:
            yield Part(series_uid, frozenset(missing))
        elif len(missing) == sizes[series_uid]:
            yield Part(series_uid, None)
        else:
            ordered = sorted(missing)
            for start in range(0, len(ordered), _BY_NAME):
                yield Part(series_uid, frozenset(ordered[start : start + _BY_NAME]))


@dataclass
class _Moves:
    """The C-MOVEs of one transfer, one after the other in a thread."""

    source: DicomOperator
    patient_id: str
    study_uid: str
    ae_title: str
    parts: list[Part]
    errors: list[DicomError] = field(default_factory=list)

    def start(self) -> None:
        self._reports: list[RetrieveReport] = []
        self._of_series: dict[str, list[RetrieveReport]] = {}
        self._thread = threading.Thread(target=self._run, name="direct c-move", daemon=True)
        self._thread.start()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the end of all; False where it has not come after so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def completed(self) -> int:
        """How many instances the source says to have sent."""
        return sum(report.completed + report.warning for report in self._reports)

    def announced(self) -> dict[str, int]:
        """How many instances the source says that each series has which it sends as a whole."""
        return {
            uid: sum(max(report.announced, report.promised or 0) for report in reports)
            for uid, reports in self._of_series.items()
        }

    def _run(self) -> None:
        for part in self.parts:
            try:
                self._move({part.series_uid: part.names})
            except Canceled:
                return
            except DicomError as error:
                self.errors.append(error)
                if isinstance(error, PermanentDicomError):
                    return
            except Exception as error:
                # The ordinary way is open; what is wrong here must not stop the transfer.
                self.errors.append(PermanentDicomError("The C-MOVE failed.", code="internal"))
                self.errors[-1].__cause__ = error
                return

    def _move(self, series: Mapping[str, Collection[str] | None]) -> None:
        before = len(self._reports)
        try:
            self._ask(series)
        finally:
            for uid, names in series.items():
                if names is None:
                    self._of_series[uid] = self._reports[before:]

    def _ask(self, series: Mapping[str, Collection[str] | None]) -> None:
        self.source.move(
            patient_id=self.patient_id,
            study_instance_uid=self.study_uid,
            destination_ae_title=self.ae_title,
            series=series,
            new_report=self._new_report,
        )

    def _new_report(self) -> RetrieveReport:
        report = RetrieveReport()
        self._reports.append(report)
        return report
