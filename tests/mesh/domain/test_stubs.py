from mesh.domain.services import Port, Service
from mesh.domain.stubs import Failover, Gateway, Site, objects_for, route_to_add

ORDERS = Service("orders", "shop", (Port(80, "http", "HTTP", 8080),), {"app": "orders"})


def site(cluster, region, **values):
    values = {"runs_service": True, "gateways": (Gateway(f"10.9.0.{ord(cluster[0])}"),), **values}
    return Site(cluster, region, **values)


A, B, C = site("a", "eu"), site("b", "us"), site("c", "ap")
SITES = [A, B, C]


def of_kind(objects, kind):
    return [obj for obj in objects if obj["kind"] == kind]


def test_a_cluster_that_runs_the_service_gets_stub_entries_rule_and_route():
    kinds = [obj["kind"] for obj in objects_for(ORDERS, A, SITES)]
    assert kinds == [
        "ServiceEntry", "WorkloadEntry", "WorkloadEntry", "DestinationRule", "VirtualService",
    ]  # fmt: skip


def test_the_stub_selects_local_pods_by_the_services_own_selector():
    entry = of_kind(objects_for(ORDERS, A, SITES), "ServiceEntry")[0]
    assert entry["spec"]["hosts"] == ["orders.shop.fleet.local"]
    assert entry["spec"]["workloadSelector"] == {"labels": {"app": "orders"}}
    assert entry["spec"]["ports"] == [
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 8080}
    ]


def test_each_remote_gateway_is_an_entry_with_the_tier_of_its_region():
    entries = of_kind(objects_for(ORDERS, A, SITES, ["us", "ap"]), "WorkloadEntry")
    tiers = {
        entry["metadata"]["name"]: [
            key for key in entry["spec"]["labels"] if key.startswith("fleet-portal.io/tier-")
        ]
        for entry in entries
    }
    assert tiers == {
        "fleet-orders-b-1": ["fleet-portal.io/tier-1"],
        "fleet-orders-c-1": ["fleet-portal.io/tier-2"],
    }


def test_an_entry_enters_through_the_gateway_port_and_carries_locality_and_network():
    remote = site("b", "us", zone="us-1", network="net-b", gateways=(Gateway("10.9.0.7", 15443),))
    entry = of_kind(objects_for(ORDERS, A, [A, remote]), "WorkloadEntry")[0]["spec"]
    assert entry["ports"] == {"http": 15443}
    assert (entry["locality"], entry["network"]) == ("us/us-1", "net-b")
    assert entry["labels"]["app"] == "orders"


def test_the_rule_compares_the_farthest_tier_first():
    rule = of_kind(objects_for(ORDERS, A, SITES), "DestinationRule")[0]
    policy = rule["spec"]["trafficPolicy"]
    assert policy["loadBalancer"]["localityLbSetting"]["failoverPriority"] == [
        "fleet-portal.io/tier-2",
        "fleet-portal.io/tier-1",
    ]


def test_a_whole_dead_region_may_be_ejected_and_application_errors_move_nothing():
    rule = of_kind(objects_for(ORDERS, A, SITES), "DestinationRule")[0]
    outlier = rule["spec"]["trafficPolicy"]["outlierDetection"]
    assert (outlier["maxEjectionPercent"], outlier["consecutive5xxErrors"]) == (100, 0)


def test_the_route_stands_on_the_services_own_name_and_its_retries_may_leave_the_region():
    route = of_kind(objects_for(ORDERS, A, SITES), "VirtualService")[0]["spec"]
    assert route["hosts"] == ["orders.shop.svc.cluster.local"]
    assert route["http"] == [route_to_add(ORDERS)]
    assert route["http"][0]["route"] == [{"destination": {"host": "orders.shop.fleet.local"}}]
    assert route["http"][0]["retries"]["retryRemoteLocalities"] is True


def test_fewer_than_two_retries_would_never_leave_the_region():
    assert route_to_add(ORDERS, Failover(retry_attempts=1))["retries"]["attempts"] == 2


def test_a_cluster_without_the_service_gets_one_without_selector():
    here = site("d", "us", runs_service=False)
    service = of_kind(objects_for(ORDERS, here, [*SITES, here]), "Service")[0]
    assert service["metadata"] == {"name": "orders", "namespace": "shop"}
    assert "selector" not in service["spec"]


def test_weights_change_only_when_ready_pods_double():
    def weight(ready):
        members = [site("b", "us", ready=ready), site("c", "us", ready=1)]
        entries = of_kind(objects_for(ORDERS, A, [A, *members]), "WorkloadEntry")
        return entries[0]["spec"]["weight"]

    assert [weight(ready) for ready in (0, 1, 2, 3, 4, 7, 8)] == [1, 1, 2, 2, 4, 4, 8]


def test_a_tier_of_one_cluster_never_changes_its_weight():
    entries = of_kind(objects_for(ORDERS, A, [A, site("b", "us", ready=64)]), "WorkloadEntry")
    assert entries[0]["spec"]["weight"] == 1


def test_the_weight_of_a_cluster_is_split_among_its_gateways():
    two = site("b", "us", ready=1, gateways=(Gateway("10.9.1.1"), Gateway("10.9.1.2")))
    one = site("c", "us", ready=1)
    entries = of_kind(objects_for(ORDERS, A, [A, two, one]), "WorkloadEntry")
    assert [entry["spec"]["weight"] for entry in entries] == [1, 1, 2]


def test_a_route_of_the_users_own_is_never_touched():
    here = site("a", "eu", own_route="orders-canary")
    objects = objects_for(ORDERS, here, [here, B])
    assert not of_kind(objects, "VirtualService")
    assert of_kind(objects, "ServiceEntry")


def test_without_any_remote_cluster_there_is_no_order_to_set():
    rule = of_kind(objects_for(ORDERS, A, [A]), "DestinationRule")[0]
    assert "localityLbSetting" not in rule["spec"]["trafficPolicy"]["loadBalancer"]
