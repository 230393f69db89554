from fleet_portal.demo import plans
from fleet_portal.demo.fleet import Fleet, add_prometheus_service

from .conftest import kind


async def test_a_fleet_starts_and_leaves_nothing(tmp_path) -> None:
    fleet = Fleet(tmp_path, envoy=None)
    await fleet.start()
    assert len({cluster.address for cluster in fleet.clusters}) == len(plans.PLANS)
    networks = {cluster.network.second for cluster in fleet.clusters}
    assert len(networks) == len(plans.PLANS)
    await fleet.stop()
    assert fleet.agents == []


async def test_the_portal_finds_prometheus_by_its_service(tmp_path) -> None:
    fleet = Fleet(tmp_path, envoy=None)
    cluster = fleet.clusters[0]
    add_prometheus_service(cluster)
    assert cluster.store.get(kind("Service"), "istio-system", "prometheus")
    found = cluster._resolve("istio-system", "prometheus", "9090")
    assert found == (cluster.network.prometheus, 9090)
    fleet._claim.close()
