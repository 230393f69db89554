import pytest

from mesh.domain.plan import (
    ClusterSeen,
    PlacementSeen,
    ServiceSeen,
    newest_samples,
    plan_regions,
    plan_states,
    stale_after,
)
from mesh.domain.states import Memory
from mesh.domain.traffic import Measured, Rates

NOW = 1000.0
CLUSTERS = [ClusterSeen("eu-1", "eu", NOW - 1), ClusterSeen("us-1", "us", NOW - 1)]


def orders(*edges, placements=None, **values):
    if placements is None:
        placements = [PlacementSeen("eu-1", 2, 2), PlacementSeen("us-1", 2, 2)]
    return ServiceSeen(7, placements, edges, **values)


def states(clusters, *services):
    return {v.region: v.memory.state for v in plan_states(clusters, services, NOW)}


def test_each_region_that_runs_the_service_gets_a_verdict():
    assert states(CLUSTERS, orders()) == {"eu": "healthy", "us": "healthy"}


def test_a_region_without_the_service_gets_none():
    assert states(CLUSTERS, orders(placements=[PlacementSeen("eu-1", 1, 1)])) == {"eu": "healthy"}


def test_requests_that_leave_the_region_fail_it_over():
    service = orders(Measured("eu-1", "us-1", Rates(10)))
    assert states(CLUSTERS, service) == {"eu": "failed_over", "us": "healthy"}


def test_a_blind_cluster_makes_only_its_own_region_unknown():
    clusters = [ClusterSeen("eu-1", "eu", NOW - 99), CLUSTERS[1]]
    assert states(clusters, orders()) == {"eu": "unknown", "us": "healthy"}


def test_one_dead_cluster_hides_no_other_of_its_region():
    clusters = [*CLUSTERS, ClusterSeen("eu-2", "eu", None)]
    assert newest_samples(clusters)["eu"].name == "eu-1"
    assert states(clusters, orders())["eu"] == "healthy"


def test_only_a_new_state_is_a_change():
    memories = {"eu": Memory("healthy", 1.0), "us": Memory("degraded", 1.0)}
    verdicts = plan_states(CLUSTERS, [orders(memories=memories)], NOW)
    assert [verdict.changed for verdict in verdicts] == [False, False]
    assert all(verdict.changed for verdict in plan_states(CLUSTERS, [orders()], NOW))


def test_endpoints_that_no_cluster_could_tell_stay_unknown():
    placements = [PlacementSeen("eu-1", None, None)]
    (verdict,) = plan_states(CLUSTERS, [orders(placements=placements)], NOW)
    assert verdict.evidence.ready is None


def test_a_region_takes_state_and_cause_from_its_worst_service():
    sound, broken = orders(), orders(placements=[PlacementSeen("eu-1", 0, 2)])
    verdicts = plan_states(CLUSTERS, [sound, broken], NOW)
    eu = plan_regions(CLUSTERS, verdicts)[0]
    assert (eu.region, eu.state) == ("eu", "failing")
    assert eu.decided_by is not None
    assert eu.decided_by.memory.cause == "no_endpoints"


def test_a_region_without_services_is_unknown():
    regions = plan_regions(CLUSTERS, [])
    assert {(region.state, region.decided_by) for region in regions} == {("unknown", None)}


@pytest.mark.parametrize(("tick", "scrape", "expected"), [(2, 1, 10), (5, 1, 15), (5, 15, 37.5)])
def test_numbers_are_old_after_three_turns_or_missed_scrapes(tick, scrape, expected):
    assert stale_after(tick, scrape) == expected


def test_each_cluster_has_its_own_measure_of_old():
    clusters = [ClusterSeen("eu-1", "eu", NOW - 20, 37.5), ClusterSeen("us-1", "us", NOW - 20, 10)]
    assert states(clusters, orders()) == {"eu": "healthy", "us": "unknown"}
