import threading

import pytest

from mesh import sources
from mesh.domain.traffic import EdgeKey
from tests.mesh.fakes import endpoint_slice

pytestmark = pytest.mark.django_db
IDS = {"eu-1": "eu-1", "us-1": "us-1", "ap-1": "ap-1"}


def ask(fleet, *names, deadline=10.0):
    clusters = [fleet[name] for name in names or fleet]
    windows = {cluster.pk: 5 for cluster in clusters}
    answers = sources.ask_traffic(clusters, windows, [("shop", "orders")], IDS, deadline)
    return {cluster.name: answers[cluster.pk] for cluster in clusters}


def test_edges_age_and_endpoints_come_together(fleet, kube):
    kube.traffic("eu-1", "us-1", 5)
    answer = ask(fleet)["eu-1"]
    assert answer.edges[EdgeKey("eu-1", "us-1", "shop", "orders")].requests == 5
    assert answer.age_seconds == 0.5
    assert answer.endpoints == {("shop", "orders"): {"z1": (2, 2)}}


def test_age_is_told_by_the_clusters_own_clock(fleet, kube):
    kube.now = 5.0
    kube.age_seconds = 3.0
    assert ask(fleet)["eu-1"].age_seconds == 3.0


def test_one_dead_cluster_costs_nobody_else_anything(fleet, kube):
    kube.down = {"us-1"}
    answers = ask(fleet)
    assert answers["us-1"].error == "us-1 is not reachable"
    assert answers["eu-1"].error == ""


def test_endpoints_are_known_without_prometheus(fleet, kube):
    kube.without_prometheus = {"eu-1"}
    answer = ask(fleet)["eu-1"]
    assert "prometheus" in answer.error
    assert answer.endpoints is not None


def test_a_prometheus_that_scraped_nothing_is_no_measurement(fleet, kube):
    kube._one = lambda value: []
    assert "scraped nothing" in ask(fleet)["eu-1"].error


def test_a_slow_cluster_is_late_and_holds_nobody_up(fleet, kube):
    kube.held["us-1"] = threading.Event()
    answers = ask(fleet, deadline=1.0)
    assert answers["us-1"].error == "no answer in time"
    assert answers["eu-1"].error == ""
    before = len(kube.asked)
    assert ask(fleet, "us-1", deadline=0.1)["us-1"].error == "no answer in time"
    assert len(kube.asked) == before
    kube.held["us-1"].set()


def test_placements_are_read_as_the_project_and_endpoints_as_the_observer(fleet, kube):
    kube.put("eu-1", "EndpointSlice", endpoint_slice(1, 2))
    answers = sources.ask_placements(fleet.values(), "shop-team", "shop", "orders", 10)
    placement = answers[fleet["eu-1"].pk].placement
    assert placement is not None
    assert (placement.ready, placement.total) == (1, 2)
    assert ("eu-1", "project:shop-team", "Service") in kube.asked
    assert ("eu-1", "controller:observer", "EndpointSlice") in kube.asked


def test_a_placement_that_cannot_be_read_carries_the_error(fleet, kube):
    kube.down = {"eu-1"}
    answers = sources.ask_placements(fleet.values(), "shop-team", "shop", "orders", 10)
    assert answers[fleet["eu-1"].pk] == sources.PlacementAnswer(error="eu-1 is not reachable")


def test_a_cluster_without_istio_says_so(fleet, kube):
    kube.without_istio = {"ap-1"}
    answers = sources.ask_placements(fleet.values(), "shop-team", "shop", "orders", 10)
    assert answers[fleet["ap-1"].pk].error == sources.NO_ISTIO
    assert answers[fleet["eu-1"].pk].error == ""
