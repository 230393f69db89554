from mesh.domain.placements import count_endpoints, read_placement
from mesh.domain.services import application_name

OURS = {"fleet-portal.io/application": application_name("shop", "orders")}


def kube_service(labels=None):
    return {"metadata": {"name": "orders", "namespace": "shop", "labels": labels}}


def route(name, hosts=("orders",), labels=None, **spec):
    return {"metadata": {"name": name, "labels": labels}, "spec": {"hosts": hosts, **spec}}


def endpoint(address, zone="z1", uid=None, **conditions):
    target = {"targetRef": {"uid": uid}} if uid else {}
    return {"addresses": [address], "zone": zone, "conditions": conditions, **target}


def endpoint_slice(*endpoints, name="orders"):
    labels = {"kubernetes.io/service-name": name}
    return {"metadata": {"labels": labels}, "endpoints": list(endpoints)}


def read(service=None, routes=(), slices=()):
    return read_placement("shop", "orders", service, routes, slices)


def test_the_owners_service_means_that_the_cluster_runs_it():
    assert read(kube_service()).runs_service


def test_the_portals_own_service_does_not():
    assert not read(kube_service(OURS)).runs_service


def test_the_owners_route_on_the_name_is_found():
    routes = [route("other", ["web"]), route("edge", gateways=["ingress"]), route("canary")]
    assert read(routes=routes).own_route == "canary"


def test_the_portals_own_route_is_none_of_theirs():
    assert read(routes=[route("fleet-orders", labels=OURS)]).own_route == ""


def test_endpoints_are_counted_by_zone():
    found = read(slices=[endpoint_slice(endpoint("1"), endpoint("2", ready=False),
                                        endpoint("3", "z2"))])  # fmt: skip
    assert found.zones == {"z1": (1, 2), "z2": (1, 1)}
    assert (found.ready, found.total) == (2, 3)


def test_terminating_endpoints_and_other_services_count_for_nothing():
    slices = [
        endpoint_slice(endpoint("1", ready=False, terminating=True)),
        endpoint_slice(endpoint("2"), name="web"),
    ]
    assert count_endpoints(slices, "orders") == {}


def test_a_pod_in_two_slices_counts_once():
    slices = [
        endpoint_slice(endpoint("10.0.0.1", uid="a")),
        endpoint_slice(endpoint("fd::1", uid="a")),
    ]
    assert count_endpoints(slices, "orders") == {"z1": (1, 1)}
