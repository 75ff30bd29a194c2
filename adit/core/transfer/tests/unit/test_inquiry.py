"""How several ways of asking take turns: none keeps a place at the server from the next."""

import pytest

from adit.core.dicom import CancelToken, PermanentDicomError, TransientDicomError
from adit.core.transfer.confirmation import Inquiry


class ScriptedWay:
    """Says what the test wants; `open` is whether it holds an association."""

    def __init__(self, words, others, answer):
        self.words = words
        self.open = False
        self._others = others
        self._answer = answer
        others.append(self)

    def held(self, study_uid, series_uid, wanted):
        assert not any(way.open for way in self._others if way is not self)
        self.open = True
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer & set(wanted)

    def accepted(self, instance):
        pass

    def rest(self):
        self.open = False


def inquiry(*answers):
    ways = []
    for number, answer in enumerate(answers):
        ScriptedWay(f"way {number}", ways, answer)
    return Inquiry(ways, CancelToken(), patience=0), ways


@pytest.mark.parametrize(
    "first",
    [
        {"a"},
        set(),
        TransientDicomError("It is busy.", code="A700"),
        PermanentDicomError("It cannot do that.", code="C000"),
        PermanentDicomError("It lacks the level.", code="A900"),
    ],
)
def test_a_way_lets_go_of_the_server_before_the_next_asks(first):
    asking, (_, second) = inquiry(first, {"a", "b"})
    found, method = asking.find("1", {"s": {"a", "b"}}, 0)
    assert found == {"s": {"a", "b"}}
    assert second.words in method


def test_a_way_that_fails_at_the_end_holds_nothing_either():
    asking, ways = inquiry(TransientDicomError("It is busy.", code="A700"))
    assert asking.find("1", {"s": {"a"}}, 0) == ({"s": set()}, "")
    assert not ways[0].open
    assert asking.can_ask


def test_a_way_that_the_server_lacks_is_left_out():
    asking, _ = inquiry(PermanentDicomError("It lacks the level.", code="A900"))
    asking.find("1", {"s": {"a"}}, 0)
    assert not asking.can_ask
