from datetime import timedelta

import pytest
from django.utils import timezone

from mesh import actions, loops, queries
from mesh.models import ClusterMesh, MeshService, RegionState, ServiceRegionState
from tests.mesh.fakes import endpoint_slice, user_route
from tests.mesh.rows import confirm, lose

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _always_due(monkeypatch):
    monkeypatch.setattr(loops, "_is_due", lambda cluster, now: cluster.tunnel_state == "connected")


def states():
    return {row.region.name: row.state for row in RegionState.objects.select_related("region")}


def turn(kube, times=1):
    """Each turn brings a newer scrape, as real ones do."""
    for _ in range(times):
        kube.age_seconds = max(0.0, kube.age_seconds - 0.03)
        loops.observe_traffic()


def test_regions_that_serve_their_own_requests_are_healthy(orders, kube):
    kube.traffic("eu-1", "eu-1", 10)
    turn(kube)
    assert states() == {"eu": "healthy", "us": "healthy", "ap": "unknown"}


def test_requests_that_leave_are_a_failover(orders, kube):
    kube.traffic("eu-1", "us-1", 10)
    kube.put("eu-1", "EndpointSlice", endpoint_slice(0, 2))
    turn(kube, 3)
    assert states()["eu"] == "failed_over"
    assert RegionState.objects.get(region__name="eu").cause == "elsewhere"


def test_a_stopped_prometheus_becomes_unknown_when_the_numbers_are_old(orders, kube):
    turn(kube)
    kube.without_prometheus = {"eu-1"}
    old = timezone.now() - timedelta(seconds=60)
    ClusterMesh.objects.filter(cluster__name="eu-1").update(sampled_at=old)
    turn(kube)
    assert states()["eu"] == "unknown"
    assert states()["us"] == "healthy"


def test_a_cluster_that_is_away_is_not_asked_and_the_others_are(orders, fleet, kube):
    lose(fleet["eu-1"])
    kube.asked.clear()
    turn(kube)
    assert {name for name, _, _ in kube.asked} == {"us-1", "ap-1"}


def test_without_any_shared_service_nobody_is_asked(fleet, kube):
    turn(kube)
    assert kube.asked == []
    assert set(states().values()) == {"unknown"}


def test_states_of_services_remember_between_turns(orders, kube):
    kube.put("eu-1", "EndpointSlice", endpoint_slice(1, 2))
    turn(kube, 2)
    state = ServiceRegionState.objects.get(region__name="eu")
    assert state.memory["streaks"]["dirty"] == 2


def test_a_service_that_appears_in_a_cluster_makes_new_objects(orders, fleet, kube):
    before = orders.distributed
    kube.runs("ap-1")
    loops.refresh_services()
    orders.refresh_from_db()
    assert orders.distributed != before
    assert "Service" not in [
        o["kind"] for o in queries.objects_by_cluster(orders)[fleet["ap-1"].pk]
    ]


def test_a_route_of_the_owners_that_appears_takes_ours_away(orders, fleet, kube):
    kube.put("eu-1", "VirtualService", user_route())
    loops.refresh_services()
    kinds = [o["kind"] for o in queries.objects_by_cluster(orders)[fleet["eu-1"].pk]]
    assert "VirtualService" not in kinds


def test_nothing_new_makes_no_revision(orders, kube):
    revisions = orders.application.revisions.count()
    loops.refresh_services()
    loops.refresh_services()
    assert orders.application.revisions.count() == revisions


def test_each_turn_routes_where_the_stub_was_confirmed(fleet, project, kube):
    service = actions.mark_reachable(project, "shop", "orders", "test")
    turn(kube)
    assert not service.placements.filter(routed=True).exists()
    confirm(service)
    turn(kube)
    assert service.placements.filter(routed=True).count() == 3


def test_a_cluster_that_is_away_keeps_its_objects(orders, fleet, kube):
    lose(fleet["eu-1"])
    loops.refresh_services()
    placement = orders.placements.get(cluster=fleet["eu-1"])
    assert (placement.runs_service, placement.error) == (True, "the cluster is away")
    assert fleet["eu-1"].pk in queries.objects_by_cluster(orders)


def test_removal_is_finished_by_the_loop(orders, kube):
    actions.unmark(orders, "test")
    confirm(orders)
    loops.refresh_services()
    assert not MeshService.objects.exists()


def test_one_service_that_fails_says_so_and_stops_no_other(orders, kube, monkeypatch):
    def fail(service, actor):
        raise RuntimeError("broken")

    monkeypatch.setattr(actions, "distribute", fail)
    loops.refresh_services()
    orders.refresh_from_db()
    assert "internal error" in orders.error


def test_the_loops_are_named_for_hints():
    assert [loop.name for loop in loops.loops()] == ["mesh-traffic", "mesh-services"]


@pytest.mark.parametrize(
    ("asked_ago", "scrape_seconds", "due"),
    [(None, 15, True), (4.9, 1, True), (1, 1, False), (5, 30, False), (15, 30, True)],
)
def test_a_cluster_is_asked_at_most_twice_a_scrape(
    fleet, monkeypatch, settings, asked_ago, scrape_seconds, due
):
    monkeypatch.undo()
    settings.FLEET_MESH_TICK_SECONDS = 5.0
    now = timezone.now()
    mesh = fleet["eu-1"].mesh
    mesh.scrape_seconds = scrape_seconds
    mesh.asked_at = None if asked_ago is None else now - timedelta(seconds=asked_ago)
    assert loops._is_due(fleet["eu-1"], now) is due
