from typing import Any

import pytest
from rest_framework.test import APIClient

from fleet_portal.common.audit import record
from fleet_portal.common.models import Project, RoleBinding, User
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def as_(user: User | None) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


def body(answer: Any) -> Any:
    return answer.json()


@pytest.fixture
def shop() -> Project:
    make_project("bank")
    return make_project("shop")


@pytest.fixture
def three(shop: Project) -> list[User]:
    """Return operator, viewer and stranger of the project `shop`."""
    return [
        make_user("operator", role="operator", project=shop),
        make_user("viewer", role="viewer", project=shop),
        make_user("stranger"),
    ]


@pytest.mark.parametrize("path", ["me", "projects", "role-bindings", "audit"])
def test_nobody_is_answered_nothing(path: str) -> None:
    assert as_(None).get(f"/api/v1/{path}/").status_code in (401, 403)


def test_me_says_the_roles(three: list[User]) -> None:
    assert body(as_(three[0]).get("/api/v1/me/")) == {
        "login": "operator",
        "name": "",
        "role": "none",
        "projects": {"shop": "operator"},
    }


def test_everybody_sees_the_own_projects(three: list[User]) -> None:
    seen = [body(as_(person).get("/api/v1/projects/"))["results"] for person in three]
    assert [[row["slug"] for row in rows] for rows in seen] == [["shop"], ["shop"], []]


def test_a_project_of_others_does_not_exist(three: list[User]) -> None:
    assert as_(three[0]).get("/api/v1/projects/bank/").status_code == 404


def test_only_an_administrator_creates_a_project(three: list[User]) -> None:
    new = {"slug": "new", "name": "New"}
    codes = [
        as_(person).post("/api/v1/projects/", new, format="json").status_code for person in three
    ]
    assert codes == [403, 403, 404]
    admin = as_(make_user(role="administrator"))
    assert admin.post("/api/v1/projects/", new, format="json").status_code == 201
    assert Project.objects.filter(slug="new").exists()


def test_the_slug_of_a_project_stays(shop: Project) -> None:
    admin = as_(make_user(role="administrator"))
    answer = admin.patch("/api/v1/projects/shop/", {"slug": "store"}, format="json")
    assert answer.status_code == 400
    assert "can't be changed" in body(answer)["message"]


def test_an_administrator_of_the_project_gives_and_takes_roles(shop: Project) -> None:
    admin, grace = as_(make_user(role="administrator", project=shop)), make_user("grace")
    given = {"user": "grace", "role": "operator", "project": "shop"}
    answer = admin.post("/api/v1/role-bindings/", given, format="json")
    assert answer.status_code == 201
    assert admin.delete(f"/api/v1/role-bindings/{body(answer)['id']}/").status_code == 204
    assert not grace.role_bindings.exists()


def test_an_administrator_of_a_project_gives_no_role_on_everything(shop: Project) -> None:
    admin = as_(make_user(role="administrator", project=shop))
    make_user("grace")
    answer = admin.post(
        "/api/v1/role-bindings/", {"user": "grace", "role": "viewer"}, format="json"
    )
    assert answer.status_code == 403
    assert not RoleBinding.objects.filter(role="viewer").exists()


def test_those_who_administer_nothing_give_no_roles(three: list[User]) -> None:
    given = {"user": "stranger", "role": "viewer", "project": "shop"}
    codes = [
        as_(person).post("/api/v1/role-bindings/", given, format="json").status_code
        for person in three
    ]
    assert codes == [400, 400, 400]
    assert not three[2].role_bindings.exists()


def test_the_audit_table_is_cut_to_what_the_caller_sees(three: list[User], shop: Project) -> None:
    record("test", "x.y", name="in shop", project=shop)
    record("test", "x.y", name="elsewhere")
    answers = [as_(person).get("/api/v1/audit/") for person in three]
    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert [row["object_name"] for row in body(answers[1])["results"]] == ["in shop"]


def test_the_audit_table_is_filtered(shop: Project) -> None:
    record("ada", "cluster.join", name="eu-1")
    record("wei", "cluster.join", name="eu-2")
    rows = body(as_(make_user(role="viewer")).get("/api/v1/audit/?actor=ada"))["results"]
    assert [row["object_name"] for row in rows] == ["eu-1"]


def test_a_filter_that_is_no_date_is_refused(shop: Project) -> None:
    answer = as_(make_user(role="viewer")).get("/api/v1/audit/?since=soon")
    assert (answer.status_code, body(answer)["field"]) == (400, "since")
