"""How a transfer ended, judged by its ledger alone."""

from __future__ import annotations

from adit.core.dicom import PermanentDicomError
from adit.core.models import TaskResult
from adit.core.models.records import InstanceState
from adit.core.transfer.ledger import Ledger
from adit.core.transfer.pipeline import Ending
from adit.core.words import counted


def judge(ledger: Ledger, ending: Ending, destination: str) -> TaskResult:
    """The state in which the task ends, with the reason in words.

    SUCCESS: something was delivered, every wanted instance is proven at the destination, and
    nothing has to be said about it. WARNING: a part of them is proven, or there is something to be
    said, or instances are held, even if these are all: they are not lost, staff releases or
    discards them. FAILURE: nothing is proven and nothing is held; zero expected or delivered is
    never a success.
    """
    totals = ledger.totals()
    proven = (
        f"{totals.confirmed} of {counted(totals.wanted, 'instance')} confirmed at {destination}"
    )
    if totals.excluded:
        proven += f", {totals.excluded} excluded"
    if totals.discarded:
        proven += f" ({totals.discarded} discarded by staff)"
    noted = [f"{number}: {note.rstrip('.')}" for note, number in ledger.notes().most_common(2)]
    if noted:
        proven += f" ({'; '.join(noted)})"
    if totals.confirmed and not totals.missing and ending.error is None:
        state = "WARNING" if ending.warnings else "SUCCESS"
        return TaskResult(state, " ".join(f"{s.rstrip('.')}." for s in [proven, *ending.warnings]))

    if not totals.expected:
        why = str(ending.error) if ending.error else "The study has no instances."
    elif not totals.wanted:
        why = "Everything in this study is excluded: " + "; ".join(_exclusions(ledger)) + "."
    elif ending.error is not None:
        why = str(ending.error)
    else:
        why = "; ".join(f"{n}: {reason}" for reason, n in ledger.reasons().most_common(3))
    permanent = isinstance(ending.error, PermanentDicomError) or (
        bool(totals.expected) and not any(True for _ in ledger.missing())
    )
    if ending.unfinished:
        proven += f". Until the rest is decided or has come, they lie in {ending.unfinished}"
    message = f"{proven}. {why}" if totals.wanted else why
    state = "WARNING" if totals.confirmed or totals.held else "FAILURE"
    return TaskResult(state, message, retry=not permanent)


def _exclusions(ledger: Ledger) -> list[str]:
    """Why instances were excluded, each reason once."""
    with ledger.lock:
        found = {
            record.reason
            for series in ledger.series
            for record in series.records.values()
            if record.state is InstanceState.EXCLUDED
        } | {series.reason for series in ledger.series}
    return sorted(reason.rstrip(".") for reason in found if reason)
