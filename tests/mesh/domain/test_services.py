import pytest

from mesh.domain.services import (
    NotRoutable,
    Port,
    Service,
    agree,
    application_name,
    is_ours,
    protocol_of,
    read_service,
    service_of_stub,
)


def kube_service(**spec):
    spec = {"selector": {"app": "orders"}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec}


def test_hosts_are_built_from_name_and_namespace():
    service = Service("orders", "shop", (Port(80),))
    assert service.own_host == "orders.shop.svc.cluster.local"
    assert service.stub_host == "orders.shop.fleet.local"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("orders.shop.fleet.local", ("shop", "orders")),
        ("orders.shop.fleet.local.", ("shop", "orders")),
        ("orders.shop.svc.cluster.local", None),
        ("fleet.local", None),
        ("a.b.c.fleet.local", None),
    ],
)
def test_only_stub_hosts_name_a_service(host, expected):
    assert service_of_stub(host) == expected


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"name": "http", "port": 80}, "HTTP"),
        ({"name": "http-web", "port": 80}, "HTTP"),
        ({"name": "grpc", "port": 80}, "GRPC"),
        ({"name": "grpc-web-x", "port": 80}, "GRPC-WEB"),
        ({"name": "web", "port": 80}, "HTTP"),
        ({"port": 80}, "HTTP"),
        ({"name": "x", "appProtocol": "kubernetes.io/h2c", "port": 80}, "HTTP2"),
    ],
)
def test_protocol_is_selected_as_istio_does(port, expected):
    assert protocol_of(port) == expected


@pytest.mark.parametrize(
    "port",
    [
        {"name": "redis", "port": 6379},
        {"name": "https", "port": 443},
        {"name": "db", "appProtocol": "mysql", "port": 3306},
        {"name": "dns", "protocol": "UDP", "port": 53},
    ],
)
def test_other_protocols_are_refused(port):
    with pytest.raises(NotRoutable, match="not HTTP"):
        protocol_of(port)


def test_a_service_is_read_with_ports_and_selector():
    assert read_service(kube_service()) == Service(
        "orders", "shop", (Port(80, "http", "HTTP", 8080),), {"app": "orders"}
    )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"selector": {}}, "selects no Pods"),
        ({"type": "ExternalName"}, "selects no Pods"),
        ({"ports": []}, "has no ports"),
        ({"ports": [{"port": 80, "targetPort": "web"}]}, "as a number"),
    ],
)
def test_services_that_cannot_be_shared_say_why(spec, message):
    with pytest.raises(NotRoutable, match=message):
        read_service(kube_service(**spec))


def test_clusters_that_agree_give_one_service():
    assert agree({"a": kube_service(), "b": kube_service()}).name == "orders"


def test_clusters_that_differ_are_named():
    with pytest.raises(NotRoutable, match="differs between a and b"):
        agree({"a": kube_service(), "b": kube_service(selector={"app": "other"})})


def test_a_name_that_no_cluster_has_is_refused():
    with pytest.raises(NotRoutable, match="No cluster has a Service"):
        agree({})


def test_ours_is_told_by_the_label():
    mesh = {"fleet-portal.io/application": application_name("shop", "orders")}
    assert is_ours({"metadata": {"labels": mesh}}, "shop", "orders")
    assert not is_ours({"metadata": {"labels": mesh}}, "shop", "other")
    assert not is_ours({"metadata": {"labels": None}}, "shop", "orders")


def test_what_the_portal_rolls_out_for_others_is_theirs():
    labels = {
        "app.kubernetes.io/managed-by": "fleet-portal",
        "fleet-portal.io/application": "orders",
    }
    assert not is_ours({"metadata": {"labels": labels}}, "shop", "orders")


def test_application_names_are_short_and_never_the_same():
    pairs = [("c", "a-b"), ("c-a", "b"), ("n" * 60, "s" * 60), ("n" * 60, "s" * 61)]
    names = {application_name(namespace, name) for namespace, name in pairs}
    assert len(names) == len(pairs)
    assert all(len(name) <= 50 for name in names)
