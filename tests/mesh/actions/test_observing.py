from datetime import timedelta

import pytest
from django.utils import timezone

from mesh.actions import (
    drop_old_periods,
    record_error,
    record_placements,
    record_states,
    record_traffic,
)
from mesh.domain.placements import Placement
from mesh.domain.plan import RegionVerdict, Verdict
from mesh.domain.states import Evidence, Memory
from mesh.domain.traffic import UNSERVED, EdgeKey, Rates
from mesh.models import ClusterMesh, RegionState, ServiceRegionState, StatePeriod, TrafficSample
from mesh.sources import PlacementAnswer, TrafficAnswer

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def edge(destination, source="eu-1", service="orders"):
    return EdgeKey(source, destination, "shop", service)


def record(fleet, answer, name="eu-1"):
    record_traffic({fleet[name].pk: answer}, {row.pk: row for row in fleet.values()}, NOW)


def answer(**edges):
    rates = {edge(name.replace("_", "-")): Rates(rate) for name, rate in edges.items()}
    return TrafficAnswer(rates, age_seconds=1.0, scraped_share=1.0)


def samples():
    rows = TrafficSample.objects.select_related("source", "destination")
    return {(row.source.name, row.destination and row.destination.name): row for row in rows}


def test_each_edge_has_one_row_with_the_time_of_the_scrape(orders, fleet):
    record(fleet, answer(us_1=5.0))
    sample = samples()["eu-1", "us-1"]
    assert (sample.requests, sample.sampled_at) == (5.0, NOW - timedelta(seconds=1))


def test_an_edge_that_is_told_no_more_is_gone(orders, fleet):
    record(fleet, answer(us_1=5.0))
    record(fleet, answer(eu_1=2.0))
    assert set(samples()) == {("eu-1", "eu-1")}


def test_unserved_requests_have_no_destination(orders, fleet):
    record(fleet, TrafficAnswer({edge(UNSERVED): Rates(3, 3)}, 1.0, 1.0))
    assert set(samples()) == {("eu-1", None)}


@pytest.mark.parametrize(
    "bad",
    [
        TrafficAnswer(error="refused"),
        TrafficAnswer({}, age_seconds=1.0, scraped_share=0.0),
        TrafficAnswer({}, age_seconds=None),
    ],
)
def test_no_measurement_keeps_the_old_numbers_and_their_age(orders, fleet, bad):
    record(fleet, answer(us_1=5.0))
    record(fleet, bad)
    assert samples()["eu-1", "us-1"].requests == 5.0
    mesh = ClusterMesh.objects.get(cluster=fleet["eu-1"])
    assert (mesh.sampled_at, mesh.error) == (NOW - timedelta(seconds=1), bad.error)


def test_services_that_are_not_shared_are_left_out(orders, fleet):
    record(fleet, TrafficAnswer({edge("us-1", service="web"): Rates(3)}, 1.0, 1.0))
    assert samples() == {}


def test_endpoints_that_came_with_the_numbers_update_the_placement(orders, fleet):
    counts = {("shop", "orders"): {"z1": (0, 2)}}
    record(fleet, TrafficAnswer({}, 1.0, 1.0, counts))
    placement = orders.placements.get(cluster=fleet["eu-1"])
    assert (placement.ready, placement.total) == (0, 2)


def test_a_cluster_that_could_not_be_asked_keeps_what_was_known(orders, fleet):
    answers = {row.pk: PlacementAnswer(error="away") for row in fleet.values()}
    record_placements(orders, answers, NOW)
    placement = orders.placements.get(cluster=fleet["eu-1"])
    assert (placement.runs_service, placement.error) == (True, "away")


def test_a_cluster_that_left_the_projects_scope_is_dropped(orders, fleet):
    answers = {fleet["eu-1"].pk: PlacementAnswer(Placement())}
    assert record_placements(orders, answers, NOW) is True
    assert [row.cluster.name for row in orders.placements.all()] == ["eu-1"]


def verdict(service, state, changed=True, region="eu", cause="errors"):
    memory = Memory(state, NOW.timestamp(), cause)
    evidence = Evidence(1.0, 1, 2, 0.5)
    return Verdict(service.pk, region, memory, evidence, changed, NOW.timestamp())


def region_verdict(by, state=None):
    return RegionVerdict("eu", state or by.memory.state, by, NOW.timestamp())


def periods(service=None):
    rows = StatePeriod.objects.filter(service=service).order_by("id")
    return [(row.state, row.ended_at) for row in rows]


def test_a_new_state_begins_a_period_and_ends_the_one_before(orders):
    record_states([verdict(orders, "degraded")], [], NOW)
    later = NOW + timedelta(seconds=5)
    record_states([verdict(orders, "failed_over")], [], later)
    assert periods(orders) == [("degraded", later), ("failed_over", None)]


def test_an_unchanged_state_writes_no_period(orders):
    record_states([verdict(orders, "degraded")], [], NOW)
    record_states([verdict(orders, "degraded", changed=False)], [], NOW)
    assert len(periods(orders)) == 1


def test_memory_is_kept_for_the_next_turn(orders):
    record_states([verdict(orders, "degraded")], [], NOW)
    assert ServiceRegionState.objects.get().memory == Memory().to_dict()


def test_evidence_is_kept_as_numbers_for_the_cause(orders):
    record_states([verdict(orders, "degraded")], [], NOW)
    assert ServiceRegionState.objects.get().evidence["errors"] == "50"


def test_a_region_has_a_lane_of_its_own(orders):
    bad = verdict(orders, "failing")
    record_states([bad], [region_verdict(bad)], NOW)
    assert periods() == [("failing", None)]
    assert RegionState.objects.get().cause == "errors"


def test_a_region_without_services_says_so(orders):
    record_states([], [RegionVerdict("eu", "unknown", None, None)], NOW)
    assert RegionState.objects.get().cause == "no_services"


def test_a_service_that_left_a_region_ends_its_lane(orders):
    record_states([verdict(orders, "degraded")], [], NOW)
    record_states([], [], NOW)
    assert not ServiceRegionState.objects.exists()
    assert periods(orders) == [("degraded", NOW)]


def test_bands_are_forgotten_after_a_month(orders):
    record_states([verdict(orders, "degraded")], [], NOW - timedelta(days=40))
    record_states([verdict(orders, "healthy")], [], NOW - timedelta(days=35))
    drop_old_periods(NOW)
    assert [state for state, _ in periods(orders)] == ["healthy"]


def test_an_error_stays_on_the_row_until_it_is_cleared(orders):
    record_error(orders, "x" * 600)
    orders.refresh_from_db()
    assert len(orders.error) == 512
    record_error(orders, "")
    orders.refresh_from_db()
    assert orders.error == ""
