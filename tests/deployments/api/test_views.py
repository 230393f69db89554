"""The story through REST, and who may call what."""

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from clusters import kube
from deployments import actions
from deployments.models import Application, Rollout
from tests.deployments.factories import (
    DEPLOYMENT,
    WEB,
    deployment,
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
    report_well,
)
from tests.deployments.views.people import ROLES
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def api_of(person: str) -> APIClient:
    client = APIClient()
    if person != "nobody":
        role, project = ROLES[person]
        client.force_authenticate(make_user(person, role=role, project=make_project(project)))
    return client


@pytest.fixture(autouse=True)
def _fleet() -> None:
    for name in ("eu-1", "eu-2"):
        make_connected_cluster(name)


@pytest.fixture
def api() -> APIClient:
    return api_of("operator")


@pytest.fixture
def app() -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


NEW = {"project": "default", "name": "web", "namespace": "shop", "manifests": DEPLOYMENT}


def test_the_whole_story(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(method: str, path: str, data: Any = None, status: int = 200) -> Any:
        answer = getattr(api, method)(f"/api/v1/{path}", data, format="json")
        assert answer.status_code == status, answer.content
        return answer.json() if answer.content else None

    pk = call("post", "applications/", NEW, 201)["id"]
    one = f"applications/{pk}/"
    decisions = call("put", f"{one}placement/", {"regions": ["eu"]})["decisions"]
    assert [row["chosen"] for row in decisions] == [True, True]
    operation = {"op": "image", "tag": "9"}
    override = {"name": "o", "selector": {"clusters": ["eu-2"]}, "operations": [operation]}
    assert call("put", f"{one}overrides/", [override])[0]["name"] == "o"
    waves = [{"name": "canary", "clusters": ["eu-1"]}]
    start = {"application": pk, "waves": waves, "soak_seconds": 0}
    rollout = call("post", "rollouts/", start, 201)
    assert [wave["name"] for wave in rollout["waves"]] == ["canary", "rest"]
    number = rollout["rollout"]["id"]
    actions.advance_rollout(number, timezone.now())
    waits = call("get", f"rollouts/{number}/")["waits"]
    assert waits[0]["sentence"].startswith("eu-1 has not confirmed")
    for event, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        assert call("post", f"rollouts/{number}/{event}/")["rollout"]["state"] == state
    assert [row["cluster"] for row in call("get", f"{one}targets/")] == ["eu-1"]
    assert call("post", f"{one}scale/", {"replicas": {WEB: 4}})["replicas"] == {WEB: 4}
    saved = call("post", f"{one}revisions/", {"objects": [deployment("2")], "note": "n"}, 201)
    assert (saved["number"], saved["note"]) == (2, "n")
    assert "web:2" in call("get", f"{one}revisions/2/")["manifests"]
    assert call("post", f"{one}back/", {"revision": 1}, 201)["kind"] == "rollback"
    assert [row["number"] for row in call("get", f"{one}revisions/")] == [2, 1]
    assert call("delete", one, status=202) == {"gone": True}


def test_targets_tell_what_was_seen(api: APIClient, app: Application) -> None:
    cluster = app.targets.get(cluster__name="eu-1").cluster
    report_well(cluster, sync="blocked", reason="Forbidden", message="as it said", ready=1)
    row = api.get(f"/api/v1/applications/{app.pk}/targets/").json()[0]
    assert (row["cluster"], row["sync"], row["ready"]) == ("eu-1", "blocked", 1)
    assert (row["reason"], row["message"], row["arrived"]) == ("Forbidden", "as it said", True)


def test_a_preview_marks_clusters_that_can_not_be_asked(
    api: APIClient, app: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*args: object) -> None:
        raise kube.ClusterUnreachable("away")

    monkeypatch.setattr(kube, "get", unreachable)
    found = api.get(f"/api/v1/applications/{app.pk}/preview/").json()
    assert [group["why_not"] for group in found["groups"]] == ["away"]


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("YAML", {"manifests": "a: [1"}, "manifests", "This is not YAML"),
    ("both", {"objects": [deployment()]}, "manifests", "Give either"),
    ("name", {"name": "a/b"}, "name", "Use lower-case letters"),
    ("namespace", {"namespace": "kube-system"}, "namespace", "may not use namespace"),
    ("placement", {"placement": {"regions": ["mars"]}}, "placement", "no region “mars”"),
    ("project", {"project": "secret"}, "project", "no project “secret”"),
]


@pytest.mark.parametrize(
    ("values", "field", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals_name_the_member(
    api: APIClient, values: dict[str, Any], field: str, sentence: str
) -> None:
    answer = api.post("/api/v1/applications/", {**NEW, **values}, format="json")
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert sentence in answer.json()["message"]
    assert not Application.objects.exists()


READS = ["", "revisions/", "revisions/1/", "placement/", "overrides/", "targets/"]


@pytest.mark.parametrize(
    ("person", "status"), [("operator", 200), ("viewer", 200), ("stranger", 404), ("nobody", 403)]
)
@pytest.mark.parametrize("part", READS)
def test_who_reads(app: Application, part: str, person: str, status: int) -> None:
    answer = api_of(person).get(f"/api/v1/applications/{app.pk}/{part}")
    assert answer.status_code in ((401, 403) if person == "nobody" else (status,))


WRITES: list[tuple[str, str, Any]] = [
    ("delete", "applications/A/", None),
    ("post", "applications/A/revisions/", {"manifests": DEPLOYMENT}),
    ("put", "applications/A/placement/", {"regions": ["eu"]}),
    ("put", "applications/A/overrides/", []),
    ("post", "applications/A/scale/", {"replicas": {WEB: 1}}),
    ("post", "applications/A/back/", {"revision": 1}),
    ("get", "applications/A/preview/", None),
    ("post", "rollouts/R/pause/", None),
    ("post", "rollouts/R/abort/", None),
]


@pytest.mark.parametrize(("person", "statuses"), [("viewer", (403,)), ("stranger", (404,))])
@pytest.mark.parametrize(("method", "path", "data"), WRITES)
def test_who_writes(
    app: Application, method: str, path: str, data: Any, person: str, statuses: tuple[int, ...]
) -> None:
    path = path.replace("A", str(app.pk)).replace("R", str(Rollout.objects.get().pk))
    answer = getattr(api_of(person), method)(f"/api/v1/{path}", data, format="json")
    assert answer.status_code in statuses
    assert Rollout.objects.get().state == "running"


@pytest.mark.parametrize(("person", "status"), [("viewer", 403), ("stranger", 400)])
def test_who_starts(app: Application, person: str, status: int) -> None:
    data = {"application": app.pk}
    assert api_of(person).post("/api/v1/rollouts/", data, format="json").status_code == status
    assert Rollout.objects.count() == 1


@pytest.mark.parametrize(("person", "status"), [("viewer", 403), ("stranger", 400)])
def test_who_creates(person: str, status: int) -> None:
    answer = api_of(person).post("/api/v1/applications/", NEW, format="json")
    assert answer.status_code == status
    assert not Application.objects.exists()


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 1), ("?name=web", 1), ("?name=we", 0), ("?text=we", 1), ("?project=x", 0),
     ("?system=true", 0), ("?state=working", 1)],
)  # fmt: skip
def test_lists_filter(api: APIClient, app: Application, query: str, count: int) -> None:
    assert api.get(f"/api/v1/applications/{query}").json()["count"] == count


def test_rollouts_of_one_application(api: APIClient, app: Application) -> None:
    make_rollout(make_application("api"))
    assert api.get("/api/v1/rollouts/").json()["count"] == 2
    assert api.get(f"/api/v1/rollouts/?application={app.pk}").json()["count"] == 1


def test_an_older_revision_can_be_started(api: APIClient, app: Application) -> None:
    make_revision(app)
    data = {"application": app.pk, "revision": 1}
    answer = api.post("/api/v1/rollouts/", data, format="json")
    assert answer.json()["rollout"]["revision"] == 1


def test_an_unknown_revision_is_not_found(api: APIClient, app: Application) -> None:
    data = {"application": app.pk, "revision": 9}
    assert api.post("/api/v1/rollouts/", data, format="json").status_code == 404


def test_a_misspelt_member_of_a_placement_changes_nothing(api: APIClient, app: Application) -> None:
    before = app.placement
    data = {"regions": ["eu"], "exclude": ["eu-2"]}
    answer = api.put(f"/api/v1/applications/{app.pk}/placement/", data, format="json")
    assert answer.status_code == 400
    assert answer.json()["field"] == "exclude"
    app.refresh_from_db()
    assert app.placement == before
