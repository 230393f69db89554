import pytest

from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from mesh.actions import set_cluster_mesh
from mesh.models import ClusterMesh
from tests.factories import make_cluster

pytestmark = pytest.mark.django_db


def set_mesh(cluster, **values):
    values = {"gateways": ["10.0.0.1"], **values}
    return set_cluster_mesh(cluster, "test", **values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.1", {"address": "10.0.0.1", "port": 15443}),
        (" 10.0.0.1:443 ", {"address": "10.0.0.1", "port": 443}),
        ("fd00::1", {"address": "fd00::1", "port": 15443}),
        ("[fd00::1]:443", {"address": "fd00::1", "port": 443}),
    ],
)
def test_a_gateway_is_an_address_with_or_without_a_port(text, expected):
    assert set_mesh(make_cluster(), gateways=[text]).gateways == [expected]


@pytest.mark.parametrize("text", ["gateway.example.com", "10.0.0.1:0", "10.0.0.1:x", "300.0.0.1"])
def test_anything_else_is_refused_with_what_to_write(text):
    with pytest.raises(ActionRefused, match="write an IP address") as refused:
        set_mesh(make_cluster(), gateways=[text])
    assert refused.value.field == "gateways"
    assert not ClusterMesh.objects.exists()


@pytest.mark.parametrize("field", ["network", "istio_id"])
def test_labels_are_checked(field):
    with pytest.raises(ActionRefused, match="no valid label"):
        set_mesh(make_cluster(), **{field: "a b"})


def test_two_clusters_cannot_share_a_name_in_istio():
    set_mesh(make_cluster(), istio_id="one")
    with pytest.raises(ActionRefused, match="two can't share"):
        set_mesh(make_cluster(), istio_id="one")


def test_a_cluster_keeps_its_own_name_in_istio():
    cluster = make_cluster()
    set_mesh(cluster, istio_id="one")
    assert set_mesh(cluster, istio_id="one").istio_id == "one"


def test_the_interval_has_limits():
    with pytest.raises(ActionRefused, match="1 to 300"):
        set_mesh(make_cluster(), scrape_seconds=0)


def test_the_change_is_audited():
    set_mesh(make_cluster())
    assert AuditEntry.objects.get(action="mesh.cluster").detail["scrape_seconds"] == 15
