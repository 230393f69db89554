import pytest

from fleet_portal.common import actions
from fleet_portal.common.access import Role, access_of
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User
from tests.factories import make_binding, make_project, make_team, make_user

pytestmark = pytest.mark.django_db

GOOD = "correct horse battery staple"


def last_entry() -> AuditEntry:
    return AuditEntry.objects.latest("id")


@pytest.fixture
def ada() -> User:
    return make_user("ada", role="administrator")


def test_a_new_person_can_log_in_and_is_recorded(ada: User) -> None:
    grace = actions.create_user(ada, User(username="grace"), GOOD)
    assert grace.check_password(GOOD)
    assert (last_entry().action, last_entry().object_name) == ("person.create", "grace")


def test_without_a_password_nobody_can_log_in_as_the_new_person(ada: User) -> None:
    assert not actions.create_user(ada, User(username="grace")).has_usable_password()


@pytest.mark.parametrize("login", ["fleet:user", "Grace", "", "grace smith", "-grace"])
def test_a_login_that_clusters_could_not_carry_is_refused(ada: User, login: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        actions.create_user(ada, User(username=login))
    assert refused.value.field == "username"


def test_a_weak_password_is_refused_and_nobody_is_saved(ada: User) -> None:
    with pytest.raises(ActionRefused):
        actions.create_user(ada, User(username="grace"), "12345")
    assert not User.objects.filter(username="grace").exists()


def test_a_login_cannot_be_renamed(ada: User) -> None:
    ada.username = "lovelace"
    with pytest.raises(ActionRefused):
        actions.change_user(ada, ada)


def test_a_change_records_what_was_and_what_is(ada: User) -> None:
    grace = make_user("grace", email="old@example.org")
    grace.email = "new@example.org"
    actions.change_user(ada, grace)
    assert last_entry().detail == {"email": ["old@example.org", "new@example.org"]}


def test_a_deactivated_person_has_no_rights(ada: User) -> None:
    grace = make_user("grace", role="operator")
    actions.deactivate_user(ada, grace)
    assert access_of(User.objects.get(pk=grace.pk)).everywhere is Role.NONE
    assert last_entry().action == "person.deactivate"


def test_the_last_administrator_cannot_be_deactivated(ada: User) -> None:
    with pytest.raises(ActionRefused):
        actions.deactivate_user(ada, ada)
    assert User.objects.get(pk=ada.pk).is_active


def test_the_last_administrator_role_cannot_be_taken_away(ada: User) -> None:
    with pytest.raises(ActionRefused):
        actions.revoke_role(ada, ada.role_bindings.get())
    assert ada.role_bindings.exists()


def test_the_last_administrators_team_cannot_be_deleted() -> None:
    team = make_team(members=(make_user(),))
    make_binding(team=team, role="administrator")
    with pytest.raises(ActionRefused):
        actions.delete_team("test", team)
    assert Team.objects.exists()


def test_the_last_administrator_cannot_leave_the_team_that_gives_the_role() -> None:
    team = make_team(members=(make_user(),))
    make_binding(team=team, role="administrator")
    with pytest.raises(ActionRefused):
        actions.change_team("test", team, [])
    assert team.members.exists()


def test_a_second_administrator_lets_the_first_go(ada: User) -> None:
    make_user(role="administrator")
    actions.revoke_role(ada, ada.role_bindings.get())
    assert not ada.role_bindings.exists()


def test_a_given_role_is_recorded_in_its_project(ada: User) -> None:
    shop, grace = make_project("shop"), make_user("grace")
    actions.grant_role(ada, RoleBinding(user=grace, role="operator", project=shop))
    entry = last_entry()
    assert (entry.action, entry.project) == ("role.grant", shop)
    assert entry.detail == {"role": "operator", "to": "grace", "project": "shop"}


def test_the_same_role_is_not_given_twice(ada: User) -> None:
    grace = make_user("grace", role="viewer")
    with pytest.raises(ActionRefused):
        actions.grant_role(ada, RoleBinding(user=grace, role="viewer"))


def test_a_role_needs_exactly_one_holder(ada: User) -> None:
    with pytest.raises(ActionRefused):
        actions.grant_role(ada, RoleBinding(role="viewer"))


def test_a_teams_members_are_recorded_when_they_change(ada: User) -> None:
    grace, linus = make_user("grace"), make_user("linus")
    team = actions.create_team(ada, Team(slug="sre", name="SRE"), [grace])
    actions.change_team(ada, team, [linus])
    assert last_entry().detail == {"members": [["grace"], ["linus"]]}


def test_the_slug_of_a_project_stays(ada: User) -> None:
    shop = make_project("shop")
    shop.slug = "store"
    with pytest.raises(ActionRefused):
        actions.change_project(ada, shop)


def test_a_renamed_project_is_recorded(ada: User) -> None:
    shop = actions.create_project(ada, Project(slug="shop", name="Shop"))
    shop.name = "The shop"
    actions.change_project(ada, shop)
    assert last_entry().detail == {"name": ["Shop", "The shop"]}


def test_a_refused_login_of_nobody_is_not_written_down() -> None:
    actions.record_refused_login("my secret password", "192.0.2.1")
    assert not AuditEntry.objects.exists()


def test_a_set_password_is_recorded_without_the_password(ada: User) -> None:
    actions.set_password(ada, ada, GOOD)
    assert (last_entry().action, last_entry().detail) == ("person.password", {})
