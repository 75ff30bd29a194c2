"""Test data for the models of core and accounts."""

from django.contrib.auth.models import Group
from factory.declarations import Sequence, SubFactory
from factory.django import DjangoModelFactory, Password
from factory.helpers import post_generation

from adit.accounts.models import User
from adit.core.models import (
    DeidProfile,
    DicomFolder,
    DicomNode,
    DicomNodeGroupAccess,
    DicomServer,
)


class GroupFactory(DjangoModelFactory):
    class Meta:
        model = Group

    name = Sequence("Group {}".format)


class UserFactory(DjangoModelFactory):
    """A user who is a member of his active group."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence("user{}".format)
    email = Sequence("user{}@example.org".format)
    password = Password("secret")
    active_group = SubFactory(GroupFactory)

    @post_generation
    def join_active_group(self, create: bool, extracted: object, **kwargs: object) -> None:
        if self.active_group:  # type: ignore[attr-defined]
            self.groups.add(self.active_group)  # type: ignore[attr-defined]


class DicomServerFactory(DjangoModelFactory):
    class Meta:
        model = DicomServer

    name = Sequence("Server {}".format)
    ae_title = Sequence("SERVER{}".format)
    host = "127.0.0.1"
    port = 104


class DicomFolderFactory(DjangoModelFactory):
    class Meta:
        model = DicomFolder

    name = Sequence("Folder {}".format)
    path = Sequence("folder{}".format)


class DeidProfileFactory(DjangoModelFactory):
    class Meta:
        model = DeidProfile

    name = Sequence("Profile {}".format)
    excluded_modalities = ["PR", "SR"]


def grant_access(
    group: Group, node: DicomNode, *, source: bool = False, destination: bool = False
) -> None:
    """Let a group use a node."""
    DicomNodeGroupAccess.objects.update_or_create(
        group=group,
        node=DicomNode.objects.get(pk=node.pk),
        defaults={"source": source, "destination": destination},
    )
