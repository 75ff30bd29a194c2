"""Series of which a source lists fewer instances than it has.

A list that ends too early, without a word, cannot be told from a whole one. What is sent beyond it
tells, and what the source counts when it sends: then the list is no measure of the series any more,
and the series is fetched as a whole.
"""

from __future__ import annotations

from adit.core.transfer.ledger import Ledger
from adit.core.transfer.plan import series_in_words
from adit.core.transfer.run import Run
from adit.core.words import counted

SHORT = (
    "{} lists fewer instances of {} series than it has: that these are all is known from what it "
    "sent alone."
)


class ShortLists:
    """Says once of each series that its list is short."""

    def __init__(self, ledger: Ledger, source: str, run: Run) -> None:
        self._ledger = ledger
        self._source = source
        self._run = run
        self._told: set[str] = set()

    def tell(self) -> None:
        """Say in the history of the task what has been found."""
        for series in self._ledger.short_lists():
            if series.series_instance_uid in self._told:
                continue
            self._told.add(series.series_instance_uid)
            listed = counted(series.short or 0, "instance")
            which = series_in_words(series.series_number)
            self._run.event(
                f"{self._source} lists {listed} of {which} and has more: it is fetched as a whole.",
                "warning",
            )

    def remark(self) -> str:
        """What has to be said in the end, "" where no list is short."""
        number = len(self._ledger.short_lists())
        return SHORT.format(self._source, number) if number else ""
