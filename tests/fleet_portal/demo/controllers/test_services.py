import pytest

from fleet_portal.demo.controllers import services

from ..conftest import Recorder, add_node, kind, pod, running

SLICES, ENDPOINTS = kind("EndpointSlice"), kind("Endpoints")
ZONE = "topology.kubernetes.io/zone"


@pytest.fixture
def web(context: Recorder) -> Recorder:
    """A Service with one ready Pod in zone a."""
    add_node(context.objects, **{ZONE: "a"})
    running(context.objects, context.objects.create(kind("Pod"), pod(), "me"))
    spec = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    service = {"apiVersion": "v1", "kind": "Service", "spec": spec,
               "metadata": {"name": "web", "namespace": "shop"}}  # fmt: skip
    context.objects.create(kind("Service"), service, "me")
    services.reconcile(context, "shop", "web")
    return context


def test_a_slice_tells_address_port_and_zone(web: Recorder) -> None:
    made = web.store.all(SLICES, "shop")[0]
    endpoint = made["endpoints"][0]
    assert (endpoint["addresses"], endpoint["zone"]) == (["127.200.1.1"], "a")
    assert endpoint["conditions"] == {"ready": True, "serving": True, "terminating": False}
    assert made["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]


def test_endpoints_tell_the_same(web: Recorder) -> None:
    subset = web.store.all(ENDPOINTS, "shop")[0]["subsets"][0]
    assert subset["addresses"][0]["ip"] == "127.200.1.1"


def test_an_ending_pod_is_told_as_such(web: Recorder) -> None:
    web.objects.delete(kind("Pod"), "shop", "p")
    services.reconcile(web, "shop", "web")
    conditions = web.store.all(SLICES, "shop")[0]["endpoints"][0]["conditions"]
    assert conditions == {"ready": False, "serving": False, "terminating": True}


def test_looking_again_writes_nothing(web: Recorder) -> None:
    before = web.store.revision
    services.reconcile(web, "shop", "web")
    assert web.store.revision == before


def test_a_service_without_selector_is_left_alone(context: Recorder) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]},
               "metadata": {"name": "stub", "namespace": "shop"}}  # fmt: skip
    context.objects.create(kind("Service"), service, "me")
    services.reconcile(context, "shop", "stub")
    assert context.store.all(SLICES) == []


def test_a_named_port_is_found_in_the_pods() -> None:
    obj = pod()
    obj["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 9000}]
    assert services.target_port({"port": 80, "targetPort": "web"}, [obj]) == 9000


def test_services_are_found_by_a_pods_labels(web: Recorder) -> None:
    assert services.selecting(web, "shop", {"app": "web", "x": "y"}) == ["web"]
    assert services.selecting(web, "shop", {"app": "other"}) == []
