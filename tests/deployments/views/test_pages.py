"""Who may open and post which page."""

from collections.abc import Sequence

import pytest
from django.urls import reverse
from django.utils import timezone

from clusters import kube
from deployments import actions
from deployments.models import Application, Rollout, Target
from tests.deployments.factories import make_application, make_connected_cluster, make_rollout
from tests.deployments.views.people import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def app(monkeypatch: pytest.MonkeyPatch) -> Application:
    def unreachable(*args: object) -> None:
        raise kube.ClusterUnreachable("away")

    monkeypatch.setattr(kube, "get", unreachable)
    make_connected_cluster("eu-1")
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


ONE = ["default", "web"]
VIEWERS = [
    ("detail", ONE), ("revision", [*ONE, 1]), ("rollout", ["R"]),
]  # fmt: skip
OPERATORS = [
    ("revise", ONE), ("placement", ONE), ("overrides", ONE), ("scale", ONE), ("delete", ONE),
    ("preview", ONE), ("start", ONE), ("back", [*ONE, 1]),
]  # fmt: skip


def address(name: str, args: Sequence[object]) -> str:
    values = [Rollout.objects.get().pk if arg == "R" else arg for arg in args]
    return reverse(f"deployments:{name}", args=values)


@pytest.mark.parametrize(
    ("person", "status"), [("operator", 200), ("viewer", 200), ("stranger", 404), ("nobody", 302)]
)
@pytest.mark.parametrize(("name", "args"), VIEWERS, ids=[row[0] for row in VIEWERS])
def test_pages_that_show(name: str, args: list[object], person: str, status: int) -> None:
    assert client_of(person).get(address(name, args)).status_code == status


@pytest.mark.parametrize(
    ("person", "status"), [("operator", 200), ("viewer", 403), ("stranger", 404), ("nobody", 302)]
)
@pytest.mark.parametrize(("name", "args"), OPERATORS, ids=[row[0] for row in OPERATORS])
def test_pages_that_change(name: str, args: list[object], person: str, status: int) -> None:
    assert client_of(person).get(address(name, args)).status_code == status


@pytest.mark.parametrize("person", ["viewer", "stranger", "nobody"])
@pytest.mark.parametrize(
    ("name", "args"),
    [("delete", ONE), ("back", [*ONE, 1]), ("start", ONE), ("steer", ["R", "abort"]),
     ("placement", ONE), ("overrides", ONE), ("scale", ONE), ("revise", ONE)],
)  # fmt: skip
def test_posts_of_others_change_nothing(name: str, args: list[object], person: str) -> None:
    rows = (Application, Rollout, Target)
    before = [list(model.objects.values()) for model in rows]
    response = client_of(person).post(address(name, args), {"clusters": ["eu-1"]})
    assert response.status_code in (302, 403, 404)
    assert [list(model.objects.values()) for model in rows] == before


@pytest.mark.parametrize(
    ("person", "seen"), [("operator", True), ("viewer", True), ("stranger", False)]
)
@pytest.mark.parametrize("name", ["list", "rollouts"])
def test_lists_show_what_is_ones_own(name: str, person: str, seen: bool) -> None:
    text = client_of(person).get(reverse(f"deployments:{name}")).content.decode()
    assert ("/apps/default/web/" in text) is seen


@pytest.mark.parametrize(
    ("person", "status"), [("operator", 200), ("viewer", 403), ("stranger", 200), ("nobody", 302)]
)
def test_new_applications_are_for_operators_of_something(person: str, status: int) -> None:
    assert client_of(person).get(reverse("deployments:new")).status_code == status


@pytest.mark.parametrize(
    ("state", "offered"),
    [
        ("running", ["pause", "abort"]),
        ("paused", ["resume", "abort"]),
        ("halted", ["resume", "abort"]),
        ("succeeded", []),
        ("aborted", []),
    ],
)
def test_only_what_a_rollout_still_takes_is_offered(state: str, offered: list[str]) -> None:
    Rollout.objects.update(state=state)
    text = client_of("operator").get(address("rollout", ["R"])).content.decode()
    buttons = [name for name in ("pause", "resume", "abort") if f'form="steer-{name}"' in text]
    assert buttons == offered


def test_a_viewer_is_offered_nothing() -> None:
    text = client_of("viewer").get(address("rollout", ["R"])).content.decode()
    assert "steer-" not in text


def test_a_hostile_page_number_is_page_one() -> None:
    response = client_of("viewer").get(reverse("deployments:list"), {"page": "1;drop"})
    assert response.status_code == 200


def test_a_preview_with_a_cluster_away_is_a_page() -> None:
    text = client_of("operator").get(address("preview", ONE)).content.decode()
    assert "not asked" in text
