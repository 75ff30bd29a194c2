from adit.core.transfer.ledger import Ledger
from adit.core.transfer.versions import remarks_on_versions


def test_a_clean_ledger_needs_no_remark():
    assert list(remarks_on_versions(Ledger(), "PACS")) == []


def test_who_is_not_known_is_named_with_what_helps():
    ledger = Ledger()
    ledger.came_in_two_versions("1.2.1", "EXT")
    ledger.came_in_two_versions("1.2.2", "EXT")
    ledger.came_in_two_versions("1.2.3")
    stranger, other = remarks_on_versions(ledger, "PACS")
    assert stranger.startswith("2 instances came from EXT, which is no known sender of PACS")
    assert "Enter it among the sender AE titles" in stranger and "forbid it to send" in stranger
    assert other.startswith("1 instance came twice with different content")
