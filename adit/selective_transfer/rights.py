"""Who may search and transfer, in words for those who may not."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied

from adit.accounts.models import User

ADD = "selective_transfer.add_selectivetransferjob"
QUERY = "core.query_dicom_server"
UNPSEUDONYMIZED = "core.can_transfer_unpseudonymized"


def check_may_use(user: User) -> None:
    """Raises PermissionDenied unless the user may create selective transfers."""
    if not user.has_perm(ADD):
        raise PermissionDenied("You may not create selective transfers.")


def check_may_search(user: User) -> None:
    """Raises PermissionDenied unless the user may search for studies to transfer."""
    check_may_use(user)
    if not user.has_perm(QUERY):
        raise PermissionDenied("You may not search at DICOM servers.")
