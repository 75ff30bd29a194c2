"""What the connection test found, step by step, and how it differs from the settings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from .config import ServerConfig

LABELS = {
    "study_root_find_support": "C-FIND, study root",
    "patient_root_find_support": "C-FIND, patient root",
    "study_root_get_support": "C-GET, study root",
    "patient_root_get_support": "C-GET, patient root",
    "study_root_move_support": "C-MOVE, study root",
    "patient_root_move_support": "C-MOVE, patient root",
    "store_scp_support": "C-STORE",
    "storage_commitment_support": "storage commitment",
    "dicomweb_qido_support": "QIDO-RS",
    "dicomweb_wado_support": "WADO-RS",
    "dicomweb_stow_support": "STOW-RS",
}


class Verdict(StrEnum):
    """How a step of the test ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Finding:
    """One step: what was tried, how it ended, and in words what that means."""

    title: str
    verdict: Verdict
    says: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """A capability that is set otherwise than it was found."""

    flag: str
    configured: bool
    found: bool

    @property
    def says(self) -> str:
        label = LABELS[self.flag]
        if self.found:
            return f"The server offers {label}, but it is switched off here."
        return f"{label} is switched on here, but the server does not offer it."


@dataclass(slots=True)
class ConnectionReport:
    """What the connection test found.

    Attributes:
        findings: Step by step.
        capabilities: Each capability flag of ServerConfig that could be found out.
        latency: Seconds that a C-ECHO takes (median); None where there was none.
    """

    server: ServerConfig
    findings: list[Finding] = field(default_factory=list)
    capabilities: dict[str, bool] = field(default_factory=dict)
    latency: float | None = None

    def note(
        self,
        title: str,
        verdict: Verdict,
        says: str,
        seconds: float = 0.0,
        flags: Collection[str] = (),
    ) -> None:
        """Notes a finding; a failure of what is switched off here is none of the server's.

        Args:
            title: What was tried.
            verdict: How it ended.
            says: What that means.
            seconds: How long it took.
            flags: The capabilities that it is about; none: all.
        """
        if verdict is Verdict.FAILED and flags and not self.uses(flags):
            verdict, says = Verdict.UNCLEAR, f"{says} It is not used: it is switched off here."
        self.findings.append(Finding(title, verdict, says, seconds))

    def uses(self, flags: Iterable[str]) -> bool:
        """Whether any of these capabilities is switched on."""
        return any(getattr(self.server, flag) for flag in flags)

    def where_used(self, flags: Collection[str]) -> Collection[str]:
        """`flags` where anything is switched on; else none: nobody has chosen yet, all counts."""
        return flags if self.uses(LABELS) else ()

    @property
    def passed(self) -> bool:
        """Whether no step failed, and the server offers all that is switched on."""
        failed = any(finding.verdict == Verdict.FAILED for finding in self.findings)
        return not failed and all(difference.found for difference in self.differences)

    @property
    def differences(self) -> list[Difference]:
        """Where what is set for the server is not what was found."""
        return [
            Difference(flag, configured, found)
            for flag, found in self.capabilities.items()
            if (configured := bool(getattr(self.server, flag))) != found
        ]

    def lines(self) -> Iterator[str]:
        """The report in words."""
        for finding in self.findings:
            yield f"{finding.title}: {finding.verdict}. {finding.says}"
        if self.capabilities:
            offered = [LABELS[flag] for flag, found in self.capabilities.items() if found]
            yield f"Offered: {', '.join(offered) or 'nothing'}."
        for difference in self.differences:
            yield f"Differs from the settings: {difference.says}"
