import pytest
from django.utils import timezone

from mesh import loops
from mesh.models import ClusterMesh, MeshService
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
BODY = {"project": "shop-team", "namespace": "shop", "name": "orders"}


@pytest.fixture
def people(project):
    return {
        "owner": make_user(role="operator", project=project),
        "colleague": make_user(role="viewer", project=project),
        "stranger": make_user(role="operator", project=make_project("other")),
    }


def call(client, user, method, path, data=None):
    client.force_login(user)
    options = {"data": data, "content_type": "application/json"} if data is not None else {}
    return getattr(client, method)(f"/api/v1/mesh/{path}", **options)


def test_regions_tell_state_and_rates(client, orders, kube, people):
    kube.traffic("eu-1", "eu-1", 10)
    kube.age_seconds = 0.0
    loops.observe_traffic()
    rows = {row["region"]: row for row in call(client, people["owner"], "get", "regions/").json()}
    assert (rows["eu"]["state"], rows["eu"]["arriving_per_second"]) == ("healthy", 10)
    assert rows["ap"]["state"] == "unknown"


def test_rates_are_null_while_unknown(client, orders, people):
    rows = call(client, people["owner"], "get", "regions/").json()
    assert {row["arriving_per_second"] for row in rows} == {None}


def test_edges_tell_who_called_whom(client, orders, kube, people):
    kube.traffic("eu-1", "us-1", 10)
    kube.age_seconds = 0.0
    loops.observe_traffic()
    (edge,) = call(client, people["colleague"], "get", "traffic/").json()["results"]
    assert (edge["source_region"], edge["destination_region"], edge["fresh"]) == ("eu", "us", True)
    assert edge["requests_per_second"] == 10


def test_a_stranger_sees_no_edges_and_no_services(client, orders, kube, people):
    kube.traffic("eu-1", "us-1", 10)
    loops.observe_traffic()
    for path in ("traffic/", "services/"):
        assert call(client, people["stranger"], "get", path).json()["count"] == 0


def test_history_carries_the_cause(client, orders, kube, people):
    kube.age_seconds = 0.0
    loops.observe_traffic()
    rows = call(client, people["owner"], "get", "lanes/?region=eu").json()["results"]
    assert {row["region"] for row in rows} == {"eu"}
    assert "all endpoints ready, no errors" in {row["cause"] for row in rows}


def test_marking_over_rest(client, fleet, people):
    answer = call(client, people["owner"], "post", "services/", BODY)
    assert answer.status_code == 201
    assert answer.json()["ports"][0]["target"] == 8080


@pytest.mark.parametrize(("who", "status"), [("colleague", 403), ("stranger", 404)])
def test_marking_needs_an_operator_of_the_project(client, fleet, people, who, status):
    assert call(client, people[who], "post", "services/", BODY).status_code == status
    assert not MeshService.objects.exists()


def test_a_project_that_is_not_there_answers_like_one_not_seen(client, fleet, people):
    body = {**BODY, "project": "nowhere"}
    assert call(client, people["stranger"], "post", "services/", body).status_code == 404


def test_a_refusal_is_a_sentence_with_its_field(client, fleet, people):
    answer = call(client, people["owner"], "post", "services/", {**BODY, "name": "none"})
    assert answer.status_code == 400
    assert answer.json()["field"] == "name"


def test_a_service_is_told_with_parts_and_states(client, orders, kube, people):
    loops.observe_traffic()
    body = call(client, people["colleague"], "get", f"services/{orders.pk}/").json()
    assert {part["cluster"] for part in body["parts"]} == {"eu-1", "us-1", "ap-1"}
    assert {state["region"] for state in body["states"]} == {"eu", "us"}


def test_changing_and_removing_need_an_operator(client, orders, people):
    path = f"services/{orders.pk}/"
    data = {"nearest": ["us"]}
    assert call(client, people["colleague"], "put", path, data).status_code == 403
    assert call(client, people["stranger"], "delete", path).status_code == 404
    assert call(client, people["owner"], "put", path, data).json()["nearest"] == ["us"]
    assert call(client, people["owner"], "delete", path).status_code == 202
    orders.refresh_from_db()
    assert orders.removing


@pytest.mark.parametrize("pk", ["0", "x", "99999"])
def test_what_there_is_not_is_404(client, orders, people, pk):
    assert call(client, people["owner"], "get", f"services/{pk}/").status_code == 404


def test_a_cluster_is_changed_by_administrators(client, fleet, people):
    data = {"gateways": ["10.7.0.1:443"], "scrape_seconds": 5}
    assert call(client, people["owner"], "put", "clusters/eu-1/", data).status_code == 403
    body = call(client, make_user(role="administrator"), "put", "clusters/eu-1/", data).json()
    assert (body["gateways"], body["scrape_seconds"]) == (["10.7.0.1:443"], 5)


def test_the_same_queries_for_few_and_many_edges(
    client, orders, fleet, people, django_assert_num_queries, django_assert_max_num_queries
):
    from mesh.models import TrafficSample

    ClusterMesh.objects.update(sampled_at=timezone.now())
    client.force_login(people["owner"])
    with django_assert_max_num_queries(12) as few:
        client.get("/api/v1/mesh/traffic/")
    for source in fleet.values():
        for destination in fleet.values():
            TrafficSample.objects.create(
                service=orders, source=source, destination=destination, sampled_at=timezone.now()
            )
    # Rows make Django fetch the page; an empty count does not.
    with django_assert_max_num_queries(len(few) + 1):
        assert client.get("/api/v1/mesh/traffic/").json()["count"] == 9
