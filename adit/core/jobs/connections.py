"""The database connections of processes that live long."""

from typing import TypeVar

import psycopg
from django.db import connections
from procrastinate.contrib.django.utils import connector_params
from procrastinate.psycopg_connector import PsycopgConnector
from psycopg.abc import PQGen

RV = TypeVar("RV")

_QUIET_SECONDS = 5.0


class QuietConnection(psycopg.AsyncConnection):
    """A connection that sleeps until something comes.

    psycopg wakes ten times a second while it waits, to notice signals that interrupt a program.
    Workers and web servers hear signals through their event loop; for connections that listen all
    day these wakes were most of what an idle worker cost.
    """

    async def wait(
        self, gen: PQGen[RV], interval: float = _QUIET_SECONDS, timeout: float | None = None
    ) -> RV:
        return await super().wait(gen, interval, timeout)


def worker_connector() -> PsycopgConnector:
    """What Procrastinate's worker speaks with the database through."""
    return PsycopgConnector(kwargs=connector_params(), connection_class=QuietConnection)


def keep_connections() -> None:
    """Keep each connection for the next use, and look whether it still works before that use.

    Otherwise every call in a worker would open one of its own, which costs more than the call.
    """
    for alias in connections:
        connections.settings[alias]["CONN_MAX_AGE"] = None
        connections.settings[alias]["CONN_HEALTH_CHECKS"] = True
