"""Priorities and weights, case by case as istiod's own tests and documentation give them."""

from mesh.domain.envoy import Caller, Host
from mesh.domain.localities import Endpoint, arrange

R1 = Caller("r1", "z1", labels={})


def endpoint(region, zone="", labels=None, weight=1):
    return Endpoint(Host(f"10.{region}.{zone}", 80, weight), labels or {}, region, zone)


def priorities(localities):
    return {(place.region, place.zone): place.priority for place in localities}


def weights(localities):
    return {(place.region, place.zone): place.weight for place in localities}


SPREAD = [endpoint("r1", "z1"), endpoint("r1", "z2"), endpoint("r2", "z3"), endpoint("r3", "z4")]


def test_zone_then_region_then_the_failover_target_then_the_rest():
    placed = arrange(SPREAD, R1, {"failover": [{"from": "r1", "to": "r2"}]}, fails_over=True)
    assert priorities(placed) == {
        ("r1", "z1"): 0, ("r1", "z2"): 1, ("r2", "z3"): 2, ("r3", "z4"): 3,
    }  # fmt: skip


def test_without_a_target_the_other_regions_share_one_priority():
    placed = arrange(SPREAD, R1, {"enabled": True}, fails_over=True)
    assert priorities(placed)[("r2", "z3")] == priorities(placed)[("r3", "z4")] == 2


def test_without_outlier_detection_everything_is_used_at_once():
    placed = arrange(SPREAD, R1, {"failoverPriority": ["a"]}, fails_over=False)
    assert set(priorities(placed).values()) == {0}


def test_a_disabled_setting_orders_nothing():
    placed = arrange(SPREAD, R1, {"enabled": False}, fails_over=True)
    assert set(priorities(placed).values()) == {0}


def test_distribute_divides_each_share_by_what_it_matches_and_empties_the_rest():
    hosts = [endpoint("r1", "z1")] * 3 + [endpoint("r1", "z2"), endpoint("r2"), endpoint("r3")]
    rule = {"from": "r1/*", "to": {"r1/*": 80, "r2/*": 20}}
    placed = arrange(hosts, R1, {"distribute": [rule]}, fails_over=True)
    assert weights(placed) | {("r3", ""): 0} == {
        ("r1", "z1"): 60, ("r1", "z2"): 20, ("r2", ""): 20, ("r3", ""): 0,
    }  # fmt: skip
    assert next(place for place in placed if place.region == "r3").hosts == ()


def test_distribute_rounds_up():
    hosts = [endpoint("r1", "z1"), endpoint("r1", "z2"), endpoint("r1", "z3")]
    placed = arrange(hosts, R1, {"distribute": [{"from": "*", "to": {"r1": 100}}]}, True)
    assert set(weights(placed).values()) == {34}


def test_distribute_for_other_callers_changes_nothing():
    rule = {"from": "r9", "to": {"r1": 100}}
    assert len(arrange(SPREAD, R1, {"distribute": [rule]}, True)) == 4


def test_absent_labels_compare_equal_on_both_sides():
    hosts = [
        endpoint("r1"), endpoint("r2", labels={"near": "y"}), endpoint("r3", labels={"far": "y"}),
    ]  # fmt: skip
    placed = arrange(hosts, R1, {"failoverPriority": ["far", "near"]}, True)
    assert priorities(placed) == {("r1", ""): 0, ("r2", ""): 1, ("r3", ""): 2}


def test_a_label_with_a_value_compares_with_that_value():
    hosts = [
        endpoint("r1", labels={"k1": "v", "k2": "v"}), endpoint("r2", labels={"k1": "v"}),
        endpoint("r3"),
    ]  # fmt: skip
    placed = arrange(hosts, R1, {"failoverPriority": ["k1=v", "k2=v"]}, True)
    assert priorities(placed) == {("r1", ""): 0, ("r2", ""): 1, ("r3", ""): 2}


def test_a_leading_network_label_is_preferred_not_required():
    network = "topology.istio.io/network"
    caller = Caller("r1", labels={network: "n1", "v": "1"})
    hosts = [
        endpoint("r1", labels={network: "n1", "v": "1"}), endpoint("r2", labels={network: "n1"}),
        endpoint("r3", labels={network: "n2", "v": "1"}), endpoint("r4", labels={network: "n2"}),
    ]  # fmt: skip
    placed = arrange(hosts, caller, {"failoverPriority": [network, "v"]}, True)
    assert priorities(placed) == {("r1", ""): 0, ("r2", ""): 1, ("r3", ""): 2, ("r4", ""): 3}


def test_a_failover_list_orders_inside_what_labels_ordered():
    hosts = [
        endpoint("r1", labels={}), endpoint("r2", labels={}), endpoint("r1", "z2", {"far": "y"}),
        endpoint("r2", "z2", {"far": "y"}),
    ]  # fmt: skip
    setting = {"failoverPriority": ["far"], "failover": [{"from": "r1", "to": "r2"}]}
    placed = arrange(hosts, Caller("r1"), setting, True)
    assert priorities(placed) == {
        ("r1", ""): 0, ("r2", ""): 1, ("r1", "z2"): 2, ("r2", "z2"): 3,
    }  # fmt: skip


def test_priorities_have_no_gaps_when_no_local_endpoint_is_left():
    hosts = [endpoint("r2", labels={"near": "y"}), endpoint("r3", labels={"far": "y"})]
    placed = arrange(hosts, R1, {"failoverPriority": ["far", "near"]}, True)
    assert priorities(placed) == {("r2", ""): 0, ("r3", ""): 1}
