"""From the portal's own objects, and from edited ones, to what an Envoy is told."""

import copy

import pytest

from mesh.domain.services import Port, Service
from mesh.domain.stubs import Gateway, Site, objects_for
from mesh.domain.translate import Caller, PodEndpoint, Untranslatable, translate

ORDERS = Service("orders", "shop", (Port(80, "http", "HTTP", 8080),), {"app": "orders"})
SITES = [
    Site("a", "eu", gateways=(Gateway("10.9.0.1"),), runs_service=True),
    Site("b", "us", zone="us-1", gateways=(Gateway("10.9.0.2"),), runs_service=True),
    Site("c", "ap", gateways=(Gateway("10.9.0.3"),), runs_service=True),
]
CALLER = Caller("eu", "eu-1", "a", "shop")
STUB = "outbound|80||orders.shop.fleet.local"


def pod(address, ready=True, **values):
    values = {"labels": {"app": "orders", "v": "1"}, "region": "eu", "zone": "eu-1", **values}
    return PodEndpoint("shop", address, ready=ready, **values)


def own_service(**spec):
    return {
        "kind": "Service",
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"ports": [{"port": 80, "name": "http", "targetPort": 8080}], **spec},
    }


def of_first_site(*extra):
    return [*objects_for(ORDERS, SITES[0], SITES, ["us", "ap"]), *extra]


def places(config, name=STUB):
    return [
        (place.priority, place.region, [(host.address, host.port) for host in place.hosts])
        for place in config.cluster(name).localities
    ]


def test_local_pods_come_first_then_each_region_in_its_order():
    config = translate(of_first_site(), CALLER, [pod("10.1.0.1"), pod("10.1.0.2")])
    assert places(config) == [
        (0, "eu", [("10.1.0.1", 8080), ("10.1.0.2", 8080)]),
        (1, "us", [("10.9.0.2", 15443)]),
        (2, "ap", [("10.9.0.3", 15443)]),
    ]


def test_without_local_pods_the_nearest_region_is_first():
    assert places(translate(of_first_site(), CALLER))[0] == (0, "us", [("10.9.0.2", 15443)])


def test_unready_pods_of_a_stub_are_left_out():
    config = translate(of_first_site(), CALLER, [pod("10.1.0.1"), pod("10.1.0.2", ready=False)])
    assert places(config)[0] == (0, "eu", [("10.1.0.1", 8080)])


def test_pods_of_another_namespace_or_label_are_not_selected():
    stranger = PodEndpoint("other", "10.1.0.9", {"app": "orders"})
    unlike = pod("10.1.0.8", labels={"app": "web"})
    assert places(translate(of_first_site(), CALLER, [stranger, unlike]))[0][1] == "us"


def test_a_service_without_a_stub_keeps_unready_pods_as_unhealthy():
    service = own_service(selector={"app": "orders"})
    config = translate([service], CALLER, [pod("10.1.0.1", ready=False)])
    cluster = config.cluster("outbound|80||orders.shop.svc.cluster.local")
    assert cluster.localities[0].hosts[0].healthy is False
    assert cluster.panic_threshold == 0


def test_an_istiod_that_omits_unready_pods_keeps_envoys_panic_threshold():
    service = own_service(selector={"app": "orders"})
    config = translate([service], CALLER, [pod("10.1.0.1", ready=False)], sends_unready=False)
    cluster = config.cluster("outbound|80||orders.shop.svc.cluster.local")
    assert (cluster.localities, cluster.panic_threshold) == ((), None)


def test_the_rule_sets_outlier_detection_and_limits():
    cluster = translate(of_first_site(), CALLER).cluster(STUB)
    outlier = cluster.outlier_detection
    assert outlier is not None
    assert (outlier.consecutive_5xx, outlier.consecutive_gateway_failure) == (None, 5)
    assert (outlier.consecutive_local_origin_failure, outlier.max_ejection_percent) == (5, 100)
    assert (outlier.interval_seconds, outlier.base_ejection_seconds) == (5, 30)
    assert (cluster.panic_threshold, cluster.locality_weighted) == (0, True)
    assert (cluster.connect_timeout_seconds, cluster.max_connection_duration_seconds) == (1, 300)
    assert cluster.max_requests_per_connection == 1000


def test_without_outlier_detection_nothing_is_ordered():
    objects = copy.deepcopy(of_first_site())
    rule = next(obj for obj in objects if obj["kind"] == "DestinationRule")
    del rule["spec"]["trafficPolicy"]["outlierDetection"]
    config = translate(objects, CALLER, [pod("10.1.0.1")])
    assert {place[0] for place in places(config)} == {0}
    assert config.cluster(STUB).locality_weighted is False


def test_the_own_name_reaches_the_stub_and_retries_may_leave_the_region():
    config = translate(of_first_site(own_service(selector={"app": "orders"})), CALLER)
    vhost = next(v for v in config.virtual_hosts if "orders" in v.domains)
    assert vhost.routes[0].clusters[0].cluster == STUB
    retry = vhost.routes[0].retry
    assert retry is not None
    assert (retry.remote_localities, retry.attempts) == (True, 2)


def test_entries_inside_a_service_entry_count_too():
    entry = {
        "kind": "ServiceEntry",
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {
            "hosts": ["x.example.com"],
            "resolution": "STATIC",
            "ports": [{"number": 80, "name": "http"}],
            "endpoints": [{"address": "10.5.0.1", "locality": "eu/eu-1", "weight": 3}],
        },
    }
    cluster = translate([entry], CALLER).cluster("outbound|80||x.example.com")
    assert cluster.localities[0].weight == 3


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ServiceEntry", {"resolution": "DNS"}),
        ("DestinationRule", {"trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}}]}}),
    ],
)
def test_what_is_not_modelled_is_said(kind, change):
    objects = copy.deepcopy(of_first_site())
    next(obj for obj in objects if obj["kind"] == kind)["spec"].update(change)
    with pytest.raises(Untranslatable):
        translate(objects, CALLER)
