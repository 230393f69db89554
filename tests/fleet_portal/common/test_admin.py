import pytest
from django.test import Client

from fleet_portal.common.audit import record
from fleet_portal.common.models import AuditEntry, Project, RoleBinding, Team, User
from tests.factories import make_project, make_team, make_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(make_user("ada", role="administrator"))
    return client


@pytest.mark.parametrize("model", ["user", "team", "project", "rolebinding", "auditentry"])
def test_lists_open_under_the_strict_policy(browser: Client, model: str) -> None:
    record("test", "x.y")
    answer = browser.get(f"/admin/common/{model}/")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def test_a_user_is_created_with_an_entry(browser: Client) -> None:
    form = {
        "username": "grace",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert browser.post("/admin/common/user/add/", form).status_code == 302
    assert User.objects.get(username="grace").check_password(PASSWORD)
    assert AuditEntry.objects.get(action="person.create").actor_name == "ada"


def test_a_login_stays_when_the_rest_changes(browser: Client) -> None:
    grace = make_user("grace")
    form = {"username": "hopper", "first_name": "Grace", "is_active": "on"}
    assert browser.post(f"/admin/common/user/{grace.pk}/change/", form).status_code == 302
    grace.refresh_from_db()
    assert (grace.username, grace.first_name) == ("grace", "Grace")
    assert AuditEntry.objects.get().action == "person.change"


def test_a_user_is_deactivated_never_deleted(browser: Client) -> None:
    grace = make_user("grace")
    browser.post(f"/admin/common/user/{grace.pk}/change/", {"first_name": ""})
    assert not User.objects.get(pk=grace.pk).is_active
    assert browser.post(f"/admin/common/user/{grace.pk}/delete/").status_code == 403


def test_the_last_administrator_stays_active(browser: Client) -> None:
    ada = User.objects.get(username="ada")
    answer = browser.post(f"/admin/common/user/{ada.pk}/change/", {"first_name": ""})
    assert answer.status_code == 400
    assert User.objects.get(pk=ada.pk).is_active


def test_a_password_set_by_an_administrator_is_recorded(browser: Client) -> None:
    grace = make_user("grace")
    form = {"password1": PASSWORD, "password2": PASSWORD, "usable_password": "true"}
    browser.post(f"/admin/common/user/{grace.pk}/password/", form)
    entry = AuditEntry.objects.get(action="person.password")
    assert (entry.actor_name, entry.object_name) == ("ada", "grace")


def test_a_teams_members_are_set_with_an_entry(browser: Client) -> None:
    grace, team = make_user("grace"), make_team("sre")
    form = {"slug": "sre", "name": "SRE", "members": [grace.pk]}
    browser.post(f"/admin/common/team/{team.pk}/change/", form)
    assert list(team.members.all()) == [grace]
    assert AuditEntry.objects.get().detail["members"] == [[], ["grace"]]


def test_a_new_team_has_its_members(browser: Client) -> None:
    grace = make_user("grace")
    browser.post("/admin/common/team/add/", {"slug": "sre", "name": "SRE", "members": [grace.pk]})
    assert list(Team.objects.get(slug="sre").members.all()) == [grace]


def test_deleted_teams_are_recorded_one_by_one(browser: Client) -> None:
    teams = [make_team(), make_team()]
    form = {
        "action": "delete_selected",
        "_selected_action": [team.pk for team in teams],
        "post": "yes",
    }
    browser.post("/admin/common/team/", form)
    assert AuditEntry.objects.filter(action="team.delete").count() == 2


def test_a_role_is_given_and_taken_away_with_entries(browser: Client) -> None:
    grace = make_user("grace")
    browser.post("/admin/common/rolebinding/add/", {"user": grace.pk, "role": "viewer"})
    binding = RoleBinding.objects.get(user=grace)
    browser.post(f"/admin/common/rolebinding/{binding.pk}/delete/", {"post": "yes"})
    actions = AuditEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["role.grant", "role.revoke"]


def test_a_project_is_created_renamed_and_kept(browser: Client) -> None:
    browser.post("/admin/common/project/add/", {"slug": "shop", "name": "Shop"})
    shop = Project.objects.get(slug="shop")
    browser.post(f"/admin/common/project/{shop.pk}/change/", {"slug": "x", "name": "The shop"})
    shop.refresh_from_db()
    assert (shop.slug, shop.name) == ("shop", "The shop")
    assert browser.post(f"/admin/common/project/{shop.pk}/delete/").status_code == 403


def test_the_audit_table_is_read_only(browser: Client) -> None:
    entry = record("test", "x.y", name="thing", project=make_project("shop"))
    address = f"/admin/common/auditentry/{entry.pk}/"
    assert "thing" in browser.get(f"{address}change/").content.decode()
    assert browser.post(f"{address}change/", {"action": "z"}).status_code == 403
    assert browser.post(f"{address}delete/").status_code == 403
    assert browser.get("/admin/common/auditentry/add/").status_code == 403


def test_an_operator_changes_nothing_here() -> None:
    client = Client()
    client.force_login(make_user(role="operator"))
    client.post("/admin/common/team/add/", {"slug": "sre", "name": "SRE"})
    assert not Team.objects.exists()
