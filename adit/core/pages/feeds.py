"""What the watchers of one thing share: it is read once for all of them, at most once a second.

So the load on PostgreSQL depends on how many different things are watched, not on how many people
watch them. Readings of one process follow each other in one thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError

from adit.accounts.models import User
from adit.core.pages.session import current_users

logger = logging.getLogger(__name__)

Fragments = dict[str, str]

# Seconds between two readings of one thing, and at least how many times a reading takes: when the
# database is slow, it is asked less often.
INTERVAL = 1.0
LEISURE = 4
# What is not ended is read again after so long without any change: places in the queue and the
# time that has passed change silently.
STALE_SECONDS = 5.0
# Pages take a longer silence of the server for a lost connection.
HEARTBEAT_SECONDS = 10.0
# What is sent then holds nothing to show.
HEARTBEAT = "<!-- live -->"


class Watcher(Protocol):
    """A page that somebody looks at."""

    session_key: str
    # The rows of a table that are on the screen.
    rows: frozenset[int]

    async def show(self, fragments: Fragments) -> None: ...

    async def turn_away(self) -> None:
        """The user may not see this, or not any more."""
        ...

    async def heartbeat(self) -> None: ...


class Topic(Protocol):
    """A thing that is watched. Hashable: equal topics share a feed.

    `read` and `render` run in a thread.
    """

    def concerns(self, job_id: int, owner_id: int | None) -> bool:
        """Whether a change of this job shows; the owner is None where he is not known."""
        ...

    def read(self, rows: frozenset[int]) -> Any:
        """Everything that all watchers see, and those of the rows that are there. None: gone."""
        ...

    def is_open(self, reading: Any) -> bool:
        """Whether it may change without being told of."""
        ...

    def render(self, reading: Any, user: User, rows: frozenset[int]) -> Fragments | None:
        """What one user sees of it; None where he may not see it."""
        ...


class Feed:
    """One topic and its watchers."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.watchers: set[Watcher] = set()
        self._changed = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="feed")

    def refresh_soon(self) -> None:
        self._changed.set()

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        stale = heard = asyncio.get_running_loop().time()
        is_open, pause = True, INTERVAL
        while True:
            now = asyncio.get_running_loop().time()
            until = min(stale + STALE_SECONDS if is_open else now + 3600, heard + HEARTBEAT_SECONDS)
            try:
                await asyncio.wait_for(self._changed.wait(), max(0.01, until - now))
            except TimeoutError:
                now = asyncio.get_running_loop().time()
                if now >= heard + HEARTBEAT_SECONDS:
                    heard = now
                    for watcher in list(self.watchers):
                        await watcher.heartbeat()
                if not is_open or now < stale + STALE_SECONDS:
                    continue
            # A change from here on needs another reading.
            self._changed.clear()
            began = time.monotonic()
            try:
                is_open = await self._refresh()
                pause = max(INTERVAL, LEISURE * (time.monotonic() - began))
            except (DatabaseError, OSError) as err:
                # No heartbeat until it works again, so that the pages notice.
                logger.warning("Reading for live pages: %s", type(err).__name__)
                self._changed.set()
            except Exception:
                # One page that cannot be shown must not stay as it is for ever.
                logger.exception("A live page cannot be shown")
            await asyncio.sleep(pause)
            stale = asyncio.get_running_loop().time()

    async def _refresh(self) -> bool:
        watchers = list(self.watchers)
        is_open, views = await database_sync_to_async(self._render)(watchers)
        for watcher, fragments in views:
            # Some may have gone meanwhile.
            if watcher not in self.watchers:
                continue
            if fragments is None:
                await watcher.turn_away()
            else:
                await watcher.show(fragments)
        return is_open

    def _render(self, watchers: list[Watcher]) -> tuple[bool, list[tuple[Watcher, Any]]]:
        """Rights are looked up each time before something is sent."""
        users = current_users(watcher.session_key for watcher in watchers)
        rows = frozenset().union(*(watcher.rows for watcher in watchers))
        reading = self.topic.read(rows)
        if reading is None:
            return False, [(watcher, None) for watcher in watchers]
        views = []
        for watcher in watchers:
            user = users.get(watcher.session_key)
            fragments = self.topic.render(reading, user, watcher.rows) if user else None
            views.append((watcher, fragments))
        return self.topic.is_open(reading), views


class Feeds:
    """All feeds of a web process."""

    def __init__(self) -> None:
        self._feeds: dict[Topic, Feed] = {}

    def join(self, topic: Topic, watcher: Watcher) -> None:
        """Let the watcher be shown the topic soon, and after each change."""
        feed = self._feeds.get(topic)
        if feed is None:
            feed = self._feeds[topic] = Feed(topic)
        feed.watchers.add(watcher)
        feed.refresh_soon()

    def refresh(self, topic: Topic) -> None:
        if feed := self._feeds.get(topic):
            feed.refresh_soon()

    def leave(self, topic: Topic, watcher: Watcher) -> None:
        feed = self._feeds.get(topic)
        if feed is None:
            return
        feed.watchers.discard(watcher)
        if not feed.watchers:
            del self._feeds[topic]
            feed.stop()

    def jobs_changed(self, owners: dict[int, int | None]) -> None:
        """These jobs, given with their owners, have changed."""
        for topic, feed in self._feeds.items():
            if any(topic.concerns(job_id, owner) for job_id, owner in owners.items()):
                feed.refresh_soon()

    def all_changed(self) -> None:
        """Nobody knows what has changed."""
        for feed in self._feeds.values():
            feed.refresh_soon()

    def __len__(self) -> int:
        return len(self._feeds)


_all_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feeds] = WeakKeyDictionary()


def all_feeds() -> Feeds:
    """The feeds of the running event loop, of which a web process has one."""
    return _all_feeds.setdefault(asyncio.get_running_loop(), Feeds())
