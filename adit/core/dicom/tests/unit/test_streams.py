import gc
import threading
import time

import pytest

from adit.core.dicom import Canceled, CancelToken, buffered


def test_items_come_in_order():
    assert list(buffered(range(100), max_items=3, max_bytes=1000)) == list(range(100))


def test_the_upstream_waits_for_a_slow_consumer():
    taken = []

    def upstream():
        for number in range(20):
            taken.append(number)
            yield number

    stream = buffered(upstream(), max_items=2, max_bytes=1000)
    time.sleep(0.2)
    assert len(taken) <= 3
    assert next(stream) == 0
    stream.close()


def test_bytes_bound_the_queue_too_but_one_large_item_passes():
    taken = []

    def upstream():
        for number in range(5):
            taken.append(number)
            yield b"x" * 100

    with buffered(upstream(), max_items=100, max_bytes=150, size=len):
        time.sleep(0.2)
        assert len(taken) == 2
    assert list(buffered([b"x" * 100], max_items=1, max_bytes=1, size=len)) == [b"x" * 100]


def test_an_error_comes_after_the_items_before_it():
    def upstream():
        yield 1
        raise ValueError("broken")

    stream = buffered(upstream(), max_items=5, max_bytes=5)
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_a_consumer_that_stops_closes_the_upstream_in_its_thread():
    closed_in = []

    def upstream():
        try:
            while True:
                yield 1
        finally:
            closed_in.append(threading.current_thread())

    with buffered(upstream(), max_items=1, max_bytes=10) as stream:
        next(stream)
    assert len(closed_in) == 1
    assert closed_in[0] is not threading.current_thread()


def test_a_stream_that_nobody_holds_ends():
    closed = threading.Event()

    def upstream():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    stream = buffered(upstream(), max_items=1, max_bytes=10)
    next(stream)
    del stream
    gc.collect()
    assert closed.wait(5)


@pytest.mark.clock
def test_on_stop_unblocks_an_upstream_that_waits():
    release = threading.Event()

    def upstream():
        yield 1
        release.wait(60)

    stream = buffered(upstream(), max_items=1, max_bytes=10, on_stop=release.set)
    next(stream)
    started = time.monotonic()
    stream.close()
    assert time.monotonic() - started < 5


def test_on_stop_is_not_called_when_the_upstream_had_ended():
    called = []
    stream = buffered([1], max_items=1, max_bytes=10, on_stop=lambda: called.append(1))
    assert list(stream) == [1]
    stream.close()
    assert called == []


def test_a_token_runs_its_callbacks_once_and_only_inside_the_block():
    token, calls = CancelToken(), []
    with token.on_cancel(lambda: calls.append("inside")):
        token.cancel()
        token.cancel()
    with token.on_cancel(lambda: calls.append("late")):
        pass
    assert calls == ["inside", "late"]
    with pytest.raises(Canceled):
        token.check()


def test_a_callback_that_left_is_not_called():
    token, calls = CancelToken(), []
    with token.on_cancel(lambda: calls.append(1)):
        pass
    token.cancel()
    assert calls == []


def test_waiting_ends_when_canceled():
    token = CancelToken()
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(Canceled):
        token.wait(60)


class Held:
    """An item that lies somewhere until it is discarded."""

    def __init__(self):
        self.discarded = threading.Event()

    def discard(self):
        self.discarded.set()


def test_an_item_for_which_there_was_no_room_is_discarded_too():
    items = [Held() for _ in range(5)]
    handed_out = []

    def upstream():
        for item in items:
            handed_out.append(item)
            yield item

    stream = buffered(upstream(), max_items=2, max_bytes=1000)
    while len(handed_out) < 3:
        time.sleep(0.01)
    stream.close()
    assert len(handed_out) == 3
    assert all(item.discarded.is_set() for item in handed_out)
