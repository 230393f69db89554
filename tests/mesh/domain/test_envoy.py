import pytest

from mesh.domain.envoy import EnvoyCluster, EnvoyConfig


def test_a_cluster_is_found_by_name():
    orders = EnvoyCluster("outbound|80||orders", "orders", 80, "LEAST_REQUEST", ())
    config = EnvoyConfig((orders,), ())
    assert config.cluster("outbound|80||orders") is orders
    with pytest.raises(KeyError):
        config.cluster("outbound|81||orders")
