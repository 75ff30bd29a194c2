"""What can be wrong with a PACS, to be switched on and off while the double runs."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults of one PACS double. All are off by default; any mix can be switched on.

    Each has been seen on a real product. Changes take effect with the next request, those of
    the first group with the next association.
    """

    # Associations
    refuse_associations: bool = False
    """Rejects every association (PS3.8 9.3.4, permanent, no reason given)."""
    refuse_next: int = 0
    """Rejects this many associations (transient, temporary congestion), then accepts again."""
    max_associations: int = 0
    """Rejects what exceeds this number of open associations (local limit exceeded); 0: no limit."""
    allowed_calling_ae_titles: Collection[str] = ()
    """Rejects every other calling AE title (calling AE title not recognized); empty: all."""
    reject_contexts: Collection[str] = ()
    """Rejects presentation contexts of these abstract syntaxes, and these transfer syntaxes."""
    close_connections: bool = False
    """Closes every connection as soon as it is open."""
    fail_tls_handshake: bool = False
    """Answers every connection with the TLS alert "handshake failure" (RFC 8446 6.2)."""
    close_idle_after: float = 0
    """Aborts associations after so many seconds without traffic; 0: never."""

    # Queries
    result_cap: int = 0
    """Ends a C-FIND with success after so many results, without a warning; 0: never."""
    ignored_keys: Collection[str] = ()
    """Treats these matching keys as if they were universal, and does not return them."""
    no_patient_below_study: bool = False
    """Neither looks at the patient ID of queries below study level nor returns it."""
    refused_levels: Collection[str] = ()
    """Answers queries at these levels with A900 (identifier does not match the SOP class)."""
    silent_levels: Collection[str] = ()
    """Answers queries at these levels with success and without a result."""
    nameless_levels: Collection[str] = ()
    """Leaves the UID (or patient ID) out of the first answer to each query at these levels."""
    empty_series: bool = False
    """Lists one more series of a study, without a single instance."""
    answer_for_patient: str = ""
    """Answers queries below patient level for this patient ID, whoever was asked for."""
    pad_uids: Literal["", "nul", "space"] = ""
    """Pads UIDs in query results with two NULs or two spaces more than the standard wants."""
    endless_pending_find: bool = False
    """Sends the first result again and again, until cancelled."""

    # Retrieval
    fail_moves: bool = False
    """Answers every C-MOVE with C000 (unable to process)."""
    fail_gets: bool = False
    """Answers every C-GET with C000 (unable to process)."""
    stop_mid_data_set: int = 0
    """Stops for good in the middle of the n-th instance of a retrieval; 0: never."""
    abort_after: int = 0
    """Aborts after so many instances of a retrieval; 0: never."""
    leave_out: int = 0
    """Does not send the last n instances of a retrieval, and does not count them either."""
    success_before_sending: bool = False
    """Answers C-MOVE with success at once and sends the instances afterwards."""
    all_failed_but_success: bool = False
    """Sends nothing, counts every sub-operation as failed, and answers success."""
    zero_suboperations: bool = False
    """Sends nothing and answers success with zero sub-operations."""
    endless_pending: bool = False
    """Sends everything, then pending responses for ever instead of a final one."""
    duplicates: bool = False
    """Sends every instance twice."""
    wrong_patient: bool = False
    """Sends the instances of another patient than the one whose study was asked for."""
    calling_ae_title: str = ""
    """Calls the destination of a C-MOVE under this AE title instead of its own."""
    no_move_originator: bool = False
    """Leaves the Move Originator attributes out of the C-STORE requests of a C-MOVE."""

    # Storage
    refuse_every_nth_store: int = 0
    """Answers every n-th C-STORE with A700 (out of resources); 1: all; 0: none."""
    refuse_store_status: int = 0xA700
    """The status of refused C-STOREs."""
    warn_every_nth_store: int = 0
    """Answers every n-th C-STORE with B006 (elements discarded) and keeps the instance; 0: none."""
    forget_every_nth_store: int = 0
    """Answers every n-th C-STORE with success and does not keep the instance; 0: none."""

    # Storage commitment
    commitment_on_new_association: bool = False
    """Reports on an association of its own to the peer of that AE title, not on the requestor's."""
    forget_commitment: bool = False
    """Accepts requests for storage commitment and never reports."""
    refuse_commitment: bool = False
    """Reports every instance as one that it does not have."""

    # Everywhere
    delay: float = 0
    """Waits so many seconds before each response and each instance."""

    def clear(self) -> None:
        """Switch every fault off."""
        self.update({})

    def update(self, values: dict[str, Any]) -> None:
        """Switch on the faults in `values` and all others off.

        Raises:
            ValueError: There is no fault of such a name.
        """
        fresh = Faults()
        if unknown := set(values) - {item.name for item in fields(self)}:
            raise ValueError(f"unknown faults: {', '.join(sorted(unknown))}")
        for item in fields(self):
            setattr(self, item.name, values.get(item.name, getattr(fresh, item.name)))


@dataclass(slots=True)
class FaultsFile:
    """A JSON file with faults, read again whenever it has changed."""

    path: Path
    faults: Faults
    _seen: tuple[int, int] = field(default=(0, 0), init=False)

    def refresh(self) -> None:
        """Take over what the file says now; an absent or half-written file changes nothing."""
        try:
            stat = self.path.stat()
            if (stat.st_mtime_ns, stat.st_size) != self._seen:
                self.faults.update(json.loads(self.path.read_text() or "{}"))
                self._seen = (stat.st_mtime_ns, stat.st_size)
        except (OSError, json.JSONDecodeError):
            return
