"""What keeps tasks from starting at all, in words: suspended servers and kinds, missing workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q, Value
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from adit.core.jobs.notify import notify_all
from adit.core.jobs.registry import all_kinds
from adit.core.jobs.worker_slots import worker_slots
from adit.core.models import DicomNode, DicomServer, JobKindSettings

if TYPE_CHECKING:
    from adit.accounts.models import User


def notices_for(user: User) -> list[str]:
    """What holds up tasks of this user, also those that he is about to ask for."""
    kinds, servers = _suspended(user)
    names = [
        kind.label
        for kind in all_kinds()
        if kind.key in kinds and user.has_perm(kind.add_permission)
    ]
    notices = [
        f"{name} is suspended: running tasks finish, no new ones start."
        for name in [*names, *servers]
    ]
    about_workers = notice_about_workers()
    return [*notices, about_workers] if about_workers else notices


def notice_about_workers() -> str:
    """That none runs, or that all are busy and tasks wait for them; empty otherwise."""
    workers = worker_slots()
    if not workers.total:
        return "No worker is running: tasks wait until one does."
    if workers.are_scarce and workers.busy >= workers.total:
        return (
            f"All workers are busy ({workers.total} of {workers.total}): "
            "further tasks wait for a free one."
        )
    return ""


def _suspended(user: User) -> tuple[set[str], list[str]]:
    """The kinds that are suspended, and the names of the servers that the user may read from or
    write to (of staff all that are in use), in one statement."""
    servers = DicomServer.objects.filter(is_suspended=True, is_active=True)
    if not user.is_staff:
        nodes = DicomNode.objects
        servers = servers.filter(
            Q(pk__in=nodes.sources_of(user).values("pk"))
            | Q(pk__in=nodes.destinations_of(user).values("pk"))
        )
    kinds = JobKindSettings.objects.filter(is_suspended=True)
    rows = list(
        servers.order_by()
        .values_list(Value("server"), "name")
        .union(kinds.order_by().values_list(Value("kind"), "kind"))
    )
    return {key for what, key in rows if what == "kind"}, sorted(
        name for what, name in rows if what == "server"
    )


@receiver([post_save, post_delete], sender=DicomServer)
@receiver([post_save, post_delete], sender=JobKindSettings)
def _tell_pages(**event: Any) -> None:
    notify_all()
