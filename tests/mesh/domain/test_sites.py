from mesh.domain.services import Port, Service
from mesh.domain.sites import Gateway, Site, findings_for, tiers_for, weights_of

ORDERS = Service("orders", "shop", (Port(80),), {"app": "orders"})


def site(cluster, region, **values):
    values = {"runs_service": True, "gateways": (Gateway(f"10.9.0.{ord(cluster[0])}"),), **values}
    return Site(cluster, region, **values)


A, B, C = site("a", "eu"), site("b", "us"), site("c", "ap")
SITES = [A, B, C]


def test_clusters_that_do_not_run_the_service_or_have_no_gateway_are_no_targets():
    bare = site("d", "us", gateways=())
    absent = site("e", "us", runs_service=False)
    assert tiers_for(A, [A, B, bare, absent]) == [[B]]


def test_the_own_region_comes_before_the_nearest_order():
    twin = site("z", "eu")
    assert tiers_for(A, [A, B, C, twin], ["ap", "us"]) == [[twin], [C], [B]]


def test_regions_that_the_order_does_not_name_follow_by_name():
    assert [tier[0].region for tier in tiers_for(A, SITES)] == ["ap", "us"]


def test_findings_name_what_keeps_callers_in_their_region():
    here = site("a", "eu", own_route="orders-canary", gateways=())
    found = [finding.sentence % finding.values for finding in findings_for(ORDERS, here, [here])]
    assert found == [
        "VirtualService orders-canary owns this name and is left alone: add the route below to it.",
        "a has no gateway address: other regions can't enter it.",
        "No other cluster that runs orders can be entered: nothing to fail over to.",
    ]


def test_a_sound_cluster_has_no_findings():
    assert findings_for(ORDERS, A, SITES) == []


def test_weights_are_powers_of_two_and_divide_by_the_gateways():
    two = site("b", "us", ready=5, gateways=(Gateway("10.9.1.1"), Gateway("10.9.1.2")))
    assert weights_of([two, site("c", "us", ready=1)]) == {"b": 8, "c": 2}
