import pytest

from mesh.domain.envoy import Caller
from mesh.domain.routes import (
    DEFAULT_RETRY,
    RegistryHost,
    Untranslatable,
    domains_of,
    full_host,
    seconds,
    virtual_hosts,
)

OWN = RegistryHost("orders.shop.svc.cluster.local", "shop", (8000,), ("10.0.0.5",))
STUB = RegistryHost("orders.shop.fleet.local", "shop", (8000,))
CALLER = Caller("r1", namespace="web")


def virtual_service(hosts=("orders.shop.svc.cluster.local",), **http):
    http = {"route": [{"destination": {"host": "orders.shop.fleet.local"}}], **http}
    spec = {"hosts": list(hosts), "http": [http]}
    return {"metadata": {"name": "x", "namespace": "shop"}, "spec": spec}


def route_of(vhosts, name):
    return next(vhost for vhost in vhosts if vhost.name == name).routes[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("5s", 5), ("200ms", 0.2), ("1m30s", 90), ("1.5s", 1.5), ("1h", 3600)],
)
def test_durations_are_read(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["5", "s", "5d"])
def test_other_text_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        seconds(text)


def test_short_hosts_mean_the_objects_namespace():
    assert full_host("orders", "shop") == "orders.shop.svc.cluster.local"
    assert full_host("a.example.com", "shop") == "a.example.com"


def test_a_caller_of_another_namespace_needs_the_namespace_in_the_name():
    assert domains_of(OWN, CALLER) == (
        "orders.shop.svc.cluster.local",
        "orders.shop.svc.cluster.local.",
        "orders.shop.svc",
        "orders.shop",
        "10.0.0.5",
    )


def test_a_caller_of_the_same_namespace_may_use_the_bare_name():
    assert "orders" in domains_of(OWN, Caller("r1", namespace="shop"))


def test_a_stub_host_has_no_short_names():
    assert domains_of(STUB, Caller("r1", namespace="shop")) == (
        "orders.shop.fleet.local",
        "orders.shop.fleet.local.",
    )


def test_the_own_name_routes_to_the_stub():
    route = route_of(virtual_hosts([OWN, STUB], [virtual_service()], CALLER), f"{OWN.host}:8000")
    assert route.clusters[0].cluster == "outbound|8000||orders.shop.fleet.local"


def test_without_a_route_of_its_own_a_host_goes_to_itself_with_istios_retries():
    route = route_of(virtual_hosts([OWN], [], CALLER), f"{OWN.host}:8000")
    assert route.clusters[0].cluster == "outbound|8000||orders.shop.svc.cluster.local"
    assert route.retry == DEFAULT_RETRY


def test_a_name_of_no_known_service_exists_on_port_80_only():
    vhosts = virtual_hosts([STUB], [virtual_service()], CALLER)
    assert [vhost.port for vhost in vhosts if vhost.name.startswith(OWN.host)] == [80]


def test_a_route_for_gateways_only_is_not_for_callers():
    other = virtual_service()
    other["spec"]["gateways"] = ["ingress"]
    route = route_of(virtual_hosts([OWN], [other], CALLER), f"{OWN.host}:8000")
    assert route.clusters[0].cluster.endswith(OWN.host)


def test_weights_and_retries_are_read():
    entry = virtual_service(
        route=[
            {"destination": {"host": "orders", "port": {"number": 81}}, "weight": 90},
            {"destination": {"host": "other"}, "weight": 10},
            {"destination": {"host": "none"}, "weight": 0},
        ],
        retries={"attempts": 3, "retryOn": "503,reset", "perTryTimeout": "2s"},
        timeout="10s",
        match=[{"uri": {"prefix": "/api"}}],
    )
    route = route_of(virtual_hosts([OWN], [entry], CALLER), f"{OWN.host}:8000")
    assert [(target.cluster, target.weight) for target in route.clusters] == [
        ("outbound|81||orders.shop.svc.cluster.local", 90),
        ("outbound|8000||other.shop.svc.cluster.local", 10),
    ]
    assert route.prefix == "/api"
    assert route.timeout_seconds == 10
    assert route.retry.retry_on == ("reset", "retriable-status-codes")
    assert route.retry.retriable_status_codes == (503,)
    assert route.retry.per_try_timeout_seconds == 2


def test_no_attempts_means_no_retries():
    vhosts = virtual_hosts([OWN], [virtual_service(retries={"attempts": 0})], CALLER)
    assert route_of(vhosts, f"{OWN.host}:8000").retry is None


@pytest.mark.parametrize(
    "http",
    [
        {"fault": {"delay": {}}},
        {"match": [{"headers": {"x": {"exact": "y"}}}]},
        {"route": [{"destination": {"host": "orders", "subset": "v1"}}]},
    ],
)
def test_what_is_not_modelled_is_said(http):
    with pytest.raises(Untranslatable):
        virtual_hosts([OWN], [virtual_service(**http)], CALLER)
