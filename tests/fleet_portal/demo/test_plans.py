from deployments.domain.overrides import OPERATIONS
from fleet_portal.demo import plans
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.objects import Objects


def test_six_clusters_of_three_regions_differ_in_size() -> None:
    assert len({plan.name for plan in plans.PLANS}) == 6
    assert {plan.region for plan in plans.PLANS} == set(plans.REGIONS)
    assert len({(plan.nodes, plan.cpu) for plan in plans.PLANS}) > 3


def test_a_zone_names_its_cluster() -> None:
    zones = [zone for plan in plans.PLANS for zone in plan.zones]
    assert len(zones) == len(set(zones)) == len(plans.cluster_of_zone())
    assert not any("." in zone for zone in zones)


def test_the_nearest_regions_are_the_others() -> None:
    for region in plans.REGIONS:
        assert {region, *plans.nearest_to(region)} == set(plans.REGIONS)


def test_an_api_server_takes_the_shop(objects: Objects) -> None:
    for obj in plans.shop_objects():
        group = obj["apiVersion"].rpartition("/")[0]
        objects.create(BY_KIND[group, obj["kind"]], obj, "me")


def test_overrides_use_operations_that_there_are() -> None:
    used = {op["op"] for override in plans.overrides() for op in override["operations"]}
    assert used <= set(OPERATIONS)


def test_waves_name_clusters_that_there_are() -> None:
    named = {name for wave in plans.waves() for name in wave.get("clusters", [])}
    assert named <= {plan.name for plan in plans.PLANS}
