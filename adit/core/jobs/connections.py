"""The database connections of processes that live long."""

from django.db import connections


def keep_connections() -> None:
    """Keep each connection for the next use, and look whether it still works before that use.

    Otherwise every call in a worker would open one of its own, which costs more than the call.
    """
    for alias in connections:
        connections.settings[alias]["CONN_MAX_AGE"] = None
        connections.settings[alias]["CONN_HEALTH_CHECKS"] = True
