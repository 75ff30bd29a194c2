"""Users, groups, nodes and a profile for demonstrations and development."""

from __future__ import annotations

import os

from django.contrib.auth.models import Group, Permission
from django.db import transaction

from adit.accounts.models import User
from adit.core.default_profile import ensure_default_profile
from adit.core.jobs.registry import all_kinds
from adit.core.models import (
    DicomFolder,
    DicomNode,
    DicomNodeGroupAccess,
    DicomServer,
)

SERVERS = ("ORTHANC1", "ORTHANC2")
FOLDER = "Example folder"

# What each group may do beside using its nodes: codenames of permissions.
GROUPS = {
    "Radiology": ("add_selectivetransferjob", "query_dicom_server"),
    "Clinicians": (
        "add_selectivetransferjob",
        "query_dicom_server",
        "can_transfer_unpseudonymized",
        "can_process_urgently",
        "view_identifiers_in_receipts",
    ),
}
# Name and password are the same.
USERS = {"admin": "Radiology", "researcher": "Radiology", "physician": "Clinicians"}


@transaction.atomic
def populate() -> None:
    """Make what is missing, and bring the addresses of the servers up to date."""
    groups = {name: _group(name, codenames) for name, codenames in GROUPS.items()}
    for username, group in USERS.items():
        _user(username, groups[group])
    User.objects.get(username="admin").groups.add(*groups.values())
    nodes: list[DicomNode] = [_server(name) for name in SERVERS]
    nodes.append(_folder())
    for group in groups.values():
        for node in nodes:
            DicomNodeGroupAccess.objects.get_or_create(
                group=group,
                node_id=node.pk,
                defaults={"source": node.kind == DicomNode.Kind.SERVER, "destination": True},
            )
    ensure_default_profile()


@transaction.atomic
def remove() -> None:
    """Take away the example nodes and all jobs of the example users; who stands in the audit log
    stays."""
    for kind in all_kinds():
        kind.job_model.objects.filter(owner__username__in=USERS).delete()
    names = [*SERVERS, FOLDER]
    DicomServer.objects.filter(name__in=names).delete()
    DicomFolder.objects.filter(name__in=names).delete()


def _group(name: str, codenames: tuple[str, ...]) -> Group:
    group, _ = Group.objects.get_or_create(name=name)
    group.permissions.set(Permission.objects.filter(codename__in=codenames))
    return group


def _user(username: str, group: Group) -> None:
    is_admin = username == "admin"
    user, created = User.objects.get_or_create(
        username=username,
        defaults={
            "email": f"{username}@example.org",
            "is_staff": is_admin,
            "is_superuser": is_admin,
        },
    )
    if created:
        user.set_password(username)
        user.save()
        user.groups.add(group)
        user.refresh_from_db()
        user.activate_group(group)


def _server(name: str) -> DicomServer:
    """The test PACS whose address the environment tells in `<name>_HOST` and so on."""
    dicomweb_url = os.environ.get(f"{name}_DICOMWEB_URL", "")
    server, _ = DicomServer.objects.get_or_create(
        name=name,
        defaults={"ae_title": name, "host": "127.0.0.1", "port": 4242},
    )
    server.host = os.environ.get(f"{name}_HOST", server.host)
    server.port = int(os.environ.get(f"{name}_DICOM_PORT") or server.port)
    server.dicomweb_root_url = dicomweb_url
    server.dicomweb_qido_support = bool(dicomweb_url)
    server.dicomweb_wado_support = bool(dicomweb_url)
    server.dicomweb_stow_support = bool(dicomweb_url)
    server.save()
    return server


def _folder() -> DicomFolder:
    path = os.environ.get("EXAMPLE_FOLDER_PATH", "example")
    folder, _ = DicomFolder.objects.get_or_create(name=FOLDER, defaults={"path": path})
    return folder
