"""Test data for the models of core and accounts."""

import factory
from django.contrib.auth.models import Group
from factory.django import DjangoModelFactory

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

    name = factory.Sequence("Group {}".format)


class UserFactory(DjangoModelFactory):
    """A user who is a member of his active group."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence("user{}".format)
    email = factory.Sequence("user{}@example.org".format)
    password = factory.django.Password("secret")
    active_group = factory.SubFactory(GroupFactory)

    @factory.post_generation
    def join_active_group(self, create: bool, extracted: object, **kwargs: object) -> None:
        if self.active_group:  # type: ignore[attr-defined]
            self.groups.add(self.active_group)  # type: ignore[attr-defined]


class DicomServerFactory(DjangoModelFactory):
    class Meta:
        model = DicomServer

    name = factory.Sequence("Server {}".format)
    ae_title = factory.Sequence("SERVER{}".format)
    host = "127.0.0.1"
    port = 104


class DicomFolderFactory(DjangoModelFactory):
    class Meta:
        model = DicomFolder

    name = factory.Sequence("Folder {}".format)
    path = factory.Sequence("folder{}".format)


class DeidProfileFactory(DjangoModelFactory):
    class Meta:
        model = DeidProfile

    name = factory.Sequence("Profile {}".format)
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
