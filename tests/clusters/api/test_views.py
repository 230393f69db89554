"""REST for clusters, by three people; the same sentences as the pages."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from clusters import actions
from clusters.models import Cluster, Node, PersonToken
from fleet_portal.common.models import User
from tests.clusters.proofs import enroll
from tests.factories import make_cluster, make_node, make_project, make_scope, make_user

pytestmark = pytest.mark.django_db


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def operator() -> APIClient:
    return client_of(make_user("olga", role="operator"))


@pytest.fixture
def viewer() -> APIClient:
    return client_of(make_user("vera", role="viewer", project=make_project("default")))


@pytest.fixture
def stranger() -> APIClient:
    return client_of(make_user("stan", role="operator", project=make_project("elsewhere")))


@pytest.fixture
def eu1() -> Cluster:
    cluster = make_cluster("eu-1")
    make_scope(make_project("default"), cluster, "shop")
    return cluster


DETAIL = "/api/v1/clusters/eu-1/"


@pytest.mark.parametrize(
    ("method", "address", "body", "answers"),
    [
        ("get", DETAIL, None, [200, 200, 404, 403]),
        ("get", DETAIL + "manifest/", None, [200, 200, 404, 403]),
        ("get", DETAIL + "rules/", None, [200, 200, 404, 403]),
        ("patch", DETAIL, {"labels": {"a": "b"}}, [200, 403, 404, 403]),
        ("post", DETAIL + "rejoin/", {}, [201, 403, 404, 403]),
        ("post", DETAIL + "rules-applied/", {}, [200, 403, 404, 403]),
        ("delete", DETAIL, None, [200, 403, 404, 403]),
        ("post", "/api/v1/clusters/", {"name": "us-1"}, [201, 403, 403, 403]),
        ("get", "/api/v1/pool/", None, [200, 200, 200, 403]),
        ("get", "/api/v1/regions/", None, [200, 200, 200, 403]),
        ("post", "/api/v1/tokens/", {}, [201, 201, 201, 403]),
    ],
)
def test_who_may_what(
    eu1: Cluster,
    operator: APIClient,
    viewer: APIClient,
    stranger: APIClient,
    method: str,
    address: str,
    body: Any,
    answers: list[int],
) -> None:
    # The operator last: what is deleted can't be refused to the others.
    people = [client_of(None), stranger, viewer, operator]
    found = [getattr(person, method)(address, body, format="json").status_code for person in people]
    assert [answer if answer != 401 else 403 for answer in found] == answers[::-1]


def test_registering_answers_with_the_command(operator: APIClient) -> None:
    body = {
        "name": "eu-1",
        "region": "eu",
        "labels": {"tier": "gold"},
        "scopes": {"default": ["shop"]},
    }
    answer = operator.post("/api/v1/clusters/", body, format="json").json()
    assert answer["command"].endswith("| kubectl apply -f -")
    assert answer["address"].endswith("/fleet-agent.yaml")
    cluster = Cluster.objects.get()
    assert (cluster.labels, cluster.scopes.get().namespaces) == ({"tier": "gold"}, ["shop"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "eu-1"}, "name"),
        ({"name": "A b"}, "name"),
        ({"name": "a", "labels": {"bad key": "x"}}, "labels"),
        ({"name": "a", "labels": {"a" * 300: "x"}}, "labels"),
        ({"name": "a", "scopes": {"default": ["kube-system"]}}, "namespaces"),
        ({"name": "a", "region": "<b>"}, "region"),
    ],
)
def test_a_refusal_has_a_sentence_and_a_field(
    eu1: Cluster, operator: APIClient, body: dict[str, Any], field: str
) -> None:
    answer = operator.post("/api/v1/clusters/", body, format="json")
    assert answer.status_code == 400
    assert answer.json()["field"] == field
    assert answer.json()["message"].endswith((".", "/"))
    assert Cluster.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "a", "mode": "root"},
        {"name": "a", "labels": "text"},
        {"name": "a", "labels": {"k": ["list"]}},
        {"name": "a", "scopes": ["list"]},
        {"name": None},
        {"name": "a\u0000b"},
        [],
        "text",
    ],
)
def test_a_malformed_body_is_refused(operator: APIClient, body: Any) -> None:
    assert operator.post("/api/v1/clusters/", body, format="json").status_code == 400
    assert not Cluster.objects.exists()


def test_a_cluster_in_detail(eu1: Cluster, viewer: APIClient) -> None:
    make_node(eu1, cpu_milli=4000, used_cpu_milli=1000)
    body = viewer.get(DETAIL).json()
    assert body["liveness"] == {"status": "pending", "since": None}
    assert body["capacity"]["free_cpu_milli"] == 3000
    assert body["scopes"] == [{"project": "default", "namespaces": ["shop"]}]
    assert body["steps"][0]["status"] == "now"
    assert body["ready"] is False


def test_the_list_is_paged_and_filtered(operator: APIClient) -> None:
    for number in range(3):
        make_cluster(f"eu-{number}")
    make_cluster("us-1", region="us")
    body = operator.get("/api/v1/clusters/?region=eu&page_size=2&sort=-name").json()
    assert body["count"] == 3
    assert [row["name"] for row in body["results"]] == ["eu-2", "eu-1"]


def test_a_cluster_without_region_is_listed(operator: APIClient) -> None:
    make_cluster("a", region=None)
    assert operator.get("/api/v1/clusters/").json()["results"][0]["region"] is None


def test_as_many_queries_for_300_rows_as_for_3(
    operator: APIClient, django_assert_max_num_queries: Any
) -> None:
    def count() -> int:
        with django_assert_max_num_queries(20) as captured:
            operator.get("/api/v1/clusters/?page_size=500")
        return len(captured)

    def fill(start: int, end: int) -> None:
        made = [make_cluster(f"c-{number}") for number in range(start, end)]
        Node.objects.bulk_create(Node(cluster=cluster, name="n") for cluster in made)

    fill(0, 3)
    few = count()
    fill(3, 300)
    assert count() == few


def test_all_changes_of_one_request_or_none(eu1: Cluster, operator: APIClient) -> None:
    body = {"name": "eu-2", "labels": {"a": "b"}, "scopes": {"nobody": ["x"]}}
    assert operator.patch(DETAIL, body, format="json").status_code == 400
    cluster = Cluster.objects.get()
    assert (cluster.name, cluster.labels) == ("eu-1", {})


def test_a_rename_answers_under_the_new_name(eu1: Cluster, operator: APIClient) -> None:
    body = {"name": "eu-2", "region": "us", "production": True, "scopes": {"default": ["a"]}}
    answer = operator.patch(DETAIL, body, format="json").json()
    assert (answer["name"], answer["region"], answer["production"]) == ("eu-2", "us", True)
    assert answer["scopes"] == [{"project": "default", "namespaces": ["a"]}]


def test_deleting_says_what_stays(eu1: Cluster, operator: APIClient) -> None:
    commands = operator.delete(DETAIL).json()["commands"]
    assert any("fleet-system" in command for command in commands)
    assert not Cluster.objects.exists()


def test_joining_again_makes_a_new_command(operator: APIClient) -> None:
    enroll(actions.register_cluster(actor="test", name="eu-1"))
    answer = operator.post(DETAIL + "rejoin/", {"rebuilt": True}, format="json").json()
    assert "fpj_" in answer["address"]
    assert Cluster.objects.get().uid == ""


def test_a_token_is_shown_once_and_never_cached(operator: APIClient) -> None:
    answer = operator.post("/api/v1/tokens/")
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["token"].startswith("fpt_")
    assert PersonToken.objects.get().user.username == "olga"


def test_regions_count_what_the_caller_sees(eu1: Cluster, viewer: APIClient) -> None:
    make_cluster("eu-2")
    assert viewer.get("/api/v1/regions/").json()["results"] == [
        {"name": "eu", "label": "", "clusters": 1}
    ]


def test_the_pool_adds_up(eu1: Cluster, operator: APIClient) -> None:
    make_node(eu1, zone="a")
    body = operator.get("/api/v1/pool/?region=eu").json()
    zones = body["clusters"][0]["zones"]
    assert (body["away"], zones[0]["zone"]) == (1, "a")
    assert operator.get("/api/v1/pool/").json()["clusters"] == []
