import pytest
from django.contrib.auth.models import AnonymousUser

from fleet_portal.common.access import NOBODY, Role, access_of
from fleet_portal.common.errors import NotAllowed, NotVisible
from tests.factories import make_binding, make_project, make_team, make_user

pytestmark = pytest.mark.django_db


def test_a_role_on_a_project_says_nothing_about_another() -> None:
    shop, bank = make_project("shop"), make_project("bank")
    access = access_of(make_user(role="operator", project=shop))
    assert access.role_on(shop.pk) is Role.OPERATOR
    assert access.role_on(bank.pk) is Role.NONE


def test_a_role_on_everything_holds_on_every_project() -> None:
    access = access_of(make_user(role="viewer"))
    assert access.role_on(make_project().pk) is Role.VIEWER
    assert access.project_ids(Role.VIEWER) is None


def test_the_highest_of_own_and_team_roles_counts() -> None:
    shop = make_project("shop")
    user = make_user(role="viewer", project=shop)
    make_binding(team=make_team(members=(user,)), role="operator", project=shop)
    assert access_of(user).role_on(shop.pk) is Role.OPERATOR


def test_leaving_a_team_takes_its_role_away() -> None:
    user = make_user()
    team = make_team(members=(user,))
    make_binding(team=team, role="administrator")
    team.members.remove(user)
    assert access_of(user).everywhere is Role.NONE


def test_a_deactivated_user_has_no_rights() -> None:
    user = make_user(role="administrator", is_active=False)
    assert access_of(user) == NOBODY


def test_a_superuser_is_administrator_everywhere() -> None:
    assert access_of(make_user(is_superuser=True)).everywhere is Role.ADMINISTRATOR


def test_nobody_is_nobody() -> None:
    assert access_of(AnonymousUser()) == NOBODY
    assert access_of(None) == NOBODY


def test_a_stranger_to_the_project_is_not_told_that_it_exists() -> None:
    access = access_of(make_user(role="operator", project=make_project("shop")))
    with pytest.raises(NotVisible):
        access.require(Role.VIEWER, make_project("bank").pk)


def test_a_viewer_is_told_that_the_role_does_not_suffice() -> None:
    shop = make_project("shop")
    access = access_of(make_user(role="viewer", project=shop))
    with pytest.raises(NotAllowed):
        access.require(Role.OPERATOR, shop.pk)


def test_equal_rights_have_equal_scopes_whoever_holds_them() -> None:
    shop = make_project("shop")
    one, other = (access_of(make_user(role="viewer", project=shop)) for _ in range(2))
    assert one.scope == other.scope
    assert one.scope != access_of(make_user(role="operator", project=shop)).scope


def test_rights_are_one_query(django_assert_num_queries) -> None:
    user = make_user(role="viewer", project=make_project("shop"))
    with django_assert_num_queries(1):
        access_of(user)
