"""C-MOVE: the server sends to our receiver, and we take from there what was meant for us."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator

from ..cancel import Canceled, CancelToken
from ..config import LocalConfig, ServerConfig
from ..dimse import DimseConnector, ProgressClock, RetrieveReport, Scope, no_progress
from ..errors import DicomError, PermanentDicomError, TransientDicomError
from ..incoming import IncomingInstances, IncomingStream
from ..instance import DicomInstance
from .failures import OF_EACH_MOVE
from .want import FEW_AT_ONCE, Want, short_list

_TAKE_TIMEOUT = 0.5
# After the final response the last instances may still be on their way to us.
_GRACE = 3.0
# After the last instance the final response may still be on its way.
_FAREWELL = 5.0
# When all that was listed is here and the request has ended, more may still be on its way; longer
# where the server counts more than came: some answer before they send, and what comes from an
# unknown sender is handed out only after a moment.
_AFTERTHOUGHT = 1.0
_AFTERTHOUGHT_OF_MORE = 5.0
_LOOK = 0.1


class MoveRetriever:
    """Runs C-MOVE in a thread and yields the instances as they arrive.

    Not trusted are: the time of the final response (some servers answer before they send, some
    never do) and its status (some report success although all failed).
    """

    of_all = OF_EACH_MOVE

    def __init__(
        self,
        server: ServerConfig,
        local: LocalConfig,
        connect: Callable[[CancelToken], DimseConnector],
        incoming: IncomingInstances,
        list_instances: Callable[[Want], Collection[str] | None],
        cancel: CancelToken,
    ) -> None:
        """Creates the retriever.

        Args:
            server: Who is asked, and sends.
            local: Our side.
            connect: Makes a connector that a token of its own can stop.
            incoming: The receivers' inbox.
            list_instances: Gives the UIDs of a series' instances, None where the server cannot.
            cancel: Stops all.
        """
        self._server = server
        self._local = local
        self._connect = connect
        self._incoming = incoming
        self._list_instances = list_instances
        self._cancel = cancel

    def retrieve(self, want: Want, received: Collection[str]) -> Iterator[DicomInstance]:
        expected = want.sop_instance_uids
        if expected is None and want.listed is None:
            listed = self._list_instances(want)
            expected = frozenset(listed) if listed else None
        if not want.by_name(FEW_AT_ONCE):
            more = expected is not None and want.listed is not None
            yield from self._request(want, want.scope(), expected, received, more=more)
            return
        problem: DicomError | None = None
        for group in want.groups(want.missing(received)):
            before = len(received)
            try:
                yield from self._request(want, want.scope(group), frozenset(group), received)
            except DicomError as error:
                if len(received) == before:
                    raise
                # The other instances are asked for all the same.
                problem = problem or error
        if problem is not None:
            raise problem

    def _request(
        self,
        want: Want,
        scope: Scope,
        expected: frozenset[str] | None,
        received: Collection[str],
        *,
        more: bool = False,
    ) -> Iterator[DicomInstance]:
        """`more`: others of the series than the expected ones are taken, too, should they come."""
        message_id = random.randint(1, 65535)
        stream: IncomingStream | None = None
        try:
            with self._incoming.expect(
                study_instance_uid=want.study_instance_uid,
                series_instance_uids=[want.series_instance_uid],
                sop_instance_uids=expected,
                message_id=message_id,
                calling_ae_title=self._local.calling_ae_title,
                server=self._server,
                patient_id=want.patient_id,
                others_too=more,
            ) as stream:
                yield from self._run(want, scope, message_id, expected, stream, received, more=more)
        finally:
            # Copies of other patients have the same UIDs, and differ.
            observer = None if want.of_patient_only else want.observer
            if stream is not None and observer is not None:
                for uid in stream.conflicting:
                    observer.came_in_two_versions(uid, stream.strangers.get(uid, ""))

    def _run(
        self,
        want: Want,
        scope: Scope,
        message_id: int,
        expected: frozenset[str] | None,
        stream: IncomingStream,
        received: Collection[str],
        *,
        more: bool,
    ) -> Iterator[DicomInstance]:
        destination = stream.destination() or self._local.receiver_ae_title
        request = _MoveRequest(
            self._local, self._connect, scope, destination, message_id, self._cancel
        )
        try:
            while not self._is_over(want, request, expected, received, more=more):
                self._cancel.check()
                if more and _came_as_listed(expected, received) and not request.owes(want):
                    request.finish(_LOOK)
                    instance = stream.take(0)
                else:
                    instance = stream.take(_TAKE_TIMEOUT)
                request.doubles = stream.doubles + len(stream.conflicting)
                if instance is None:
                    continue
                request.clock.advance()
                request.arrived += 1
                since = time.monotonic()
                yield instance
                del instance
                request.clock.pause(since)
            if expected is not None and expected <= set(received):
                if not more:
                    request.finish(_FAREWELL)
                    return
                if _came_as_listed(expected, received):
                    lost = request.report.failed
                    if lost and want.is_short(len(received) + lost):
                        raise short_list(request.server, lost)
                    if request.owes(want):
                        raise short_list(request.server, request.owed)
                    return
        finally:
            request.stop()
        self._cancel.check()
        server = request.server
        if (error := request.failure()) is not None:
            raise error
        if request.unanswered:
            # Whether the C-MOVE or we noticed first, that is the reason for what is missing.
            raise no_progress(server, self._local.progress_timeout)
        missing = len((expected or frozenset()) - frozenset(received))
        if missing:
            raise TransientDicomError(
                f"{server} did not send {missing} of {len(expected or ())} instances.",
                code="incomplete",
            )
        if request.counted < request.report.completed:
            raise TransientDicomError(
                f"Not all instances that {server} sent have arrived.", code="incomplete"
            )

    def _is_over(
        self,
        want: Want,
        request: _MoveRequest,
        expected: frozenset[str] | None,
        received: Collection[str],
        *,
        more: bool,
    ) -> bool:
        if not more and expected is not None and expected <= set(received):
            return True
        clock = request.clock
        if clock.left <= 0:
            return True
        quiet = self._local.progress_timeout - clock.left
        if more and _came_as_listed(expected, received):
            if request.owes(want):
                # As long as the request runs, the clock alone tells when it takes too long.
                return request.ended and quiet > _AFTERTHOUGHT_OF_MORE
            if not request.ended:
                return quiet > _FAREWELL
            told = request.report.completed + request.report.warning
            return 0 < told <= request.counted or quiet > _AFTERTHOUGHT
        if not request.ended:
            return False
        report = request.report
        if request.error is not None or (report.status or 0) >> 12 in (0xA, 0xC, 0xF):
            return quiet > _GRACE
        announced = report.completed + report.warning
        # A server that told how many it sent, and those are here (or it told that it failed).
        told = announced > 0 or report.failed > 0
        return told and request.counted >= announced and quiet > _GRACE


def _came_as_listed(expected: frozenset[str] | None, received: Collection[str]) -> bool:
    """Whether all that was listed has come, and nothing else of the series."""
    return expected is not None and len(received) == len(expected) and expected <= set(received)


class _MoveRequest:
    """A C-MOVE that runs in a thread."""

    def __init__(
        self,
        local: LocalConfig,
        connect: Callable[[CancelToken], DimseConnector],
        scope: Scope,
        destination: str,
        message_id: int,
        cancel: CancelToken,
    ) -> None:
        self.clock = ProgressClock(local.progress_timeout)
        self.report = RetrieveReport()
        self.error: DicomError | None = None
        self.arrived = 0
        self.doubles = 0
        self.unanswered = False
        self._cancel = cancel
        self._stopped = CancelToken()
        self._connector = connect(self._stopped)
        self._thread = threading.Thread(
            target=self._move,
            args=(scope, destination, message_id),
            name="c-move",
            daemon=True,
        )
        self._thread.start()

    @property
    def server(self) -> str:
        return self._connector.server.name

    @property
    def counted(self) -> int:
        """How many arrived as the server counts them: what it sent twice, twice."""
        return self.arrived + self.doubles

    @property
    def owed(self) -> int:
        """How many more the server counts than have arrived."""
        report = self.report
        announced = max(report.completed + report.warning, (report.promised or 0) - report.failed)
        return max(announced - self.counted, 0)

    def owes(self, want: Want) -> bool:
        """Whether what it counts beyond that shows that its list of the series was short."""
        return self.owed > 0 and want.is_short(self.arrived + self.owed)

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def _move(self, scope: Scope, destination: str, message_id: int) -> None:
        try:
            with self._cancel.on_cancel(self._stopped.cancel):
                self._connector.move(
                    scope,
                    destination,
                    message_id,
                    self.report,
                    self.clock,
                    lambda: self.arrived,
                )
        except Canceled:
            pass
        except DicomError as error:
            self.error = error
        except Exception as error:
            self.error = PermanentDicomError("The C-MOVE failed.", code="internal")
            self.error.__cause__ = error
        finally:
            # The wait for what is still to come starts with the end of the request.
            self.clock.advance()

    def finish(self, timeout: float) -> None:
        """Waits for the final response for a while."""
        self._thread.join(timeout)

    def stop(self) -> None:
        """Aborts the association if the server has not answered yet."""
        if not self.ended:
            self.unanswered = True
            self._stopped.cancel()
        self._thread.join()
        self._connector.close()

    def failure(self) -> DicomError | None:
        """Why not all arrived, as far as the server said."""
        if self.error is not None:
            return self.error
        return self.report.failure(self.server, "C-MOVE")
