import pytest

from adit.core.factories import GroupFactory, UserFactory

pytestmark = [pytest.mark.integration, pytest.mark.django_db]


@pytest.fixture
def user():
    user = UserFactory(active_group=GroupFactory(name="B"))
    user.groups.add(GroupFactory(name="A"), GroupFactory(name="C"))
    return user


def active(user):
    return getattr(type(user).objects.get(pk=user.pk).active_group, "name", None)


def test_other_memberships_leave_the_active_group_alone(user):
    assert active(user) == "B"


def test_who_leaves_the_active_group_gets_the_next_one(user):
    user.groups.remove(user.active_group)
    assert active(user) == "A"


def test_a_group_that_sends_its_members_away_is_nobodys_active_one(user):
    user.active_group.user_set.clear()
    assert active(user) == "A"


def test_a_deleted_group_is_nobodys_active_one(user):
    user.active_group.delete()
    assert active(user) == "A"


def test_without_any_group_there_is_no_active_one(user):
    user.groups.clear()
    assert active(user) is None


def test_the_first_group_becomes_the_active_one():
    user = UserFactory(active_group=None)
    GroupFactory(name="A").user_set.add(user)
    assert active(user) == "A"
