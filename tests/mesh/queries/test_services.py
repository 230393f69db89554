import pytest

from fleet_portal.common.access import access_of
from fleet_portal.common.errors import NotVisible
from mesh import queries
from mesh.models import MeshService
from mesh.queries.services import parts_of, service_rows
from tests.factories import make_node, make_project, make_scope, make_user
from tests.mesh.fakes import user_route

pytestmark = pytest.mark.django_db


def test_clusters_are_in_scope_by_namespace(fleet, project):
    other = make_project("other")
    make_scope(other, fleet["eu-1"], "web")
    assert len(queries.clusters_in_scope(project, "shop")) == 3
    assert queries.clusters_in_scope(other, "shop") == []


def test_owner_colleague_and_stranger(orders, project):
    owner = make_user(role="operator", project=project)
    colleague = make_user(role="viewer", project=project)
    stranger = make_user(role="administrator", project=make_project("other"))
    for user in (owner, colleague):
        assert queries.service_visible_to(access_of(user), "shop", "orders") == orders
    with pytest.raises(NotVisible):
        queries.service_visible_to(access_of(stranger), "shop", "orders")


def test_the_first_zone_of_a_cluster_stands_for_its_gateways(orders, fleet):
    make_node(fleet["us-1"], zone="us-b")
    make_node(fleet["us-1"], zone="us-a")
    assert queries.sites_of(orders)[fleet["us-1"].pk].zone == "us-a"


def test_a_page_shows_objects_and_split_of_each_cluster(orders):
    parts = {part.cluster.name: part for part in parts_of(orders)}
    assert parts["eu-1"].split == {"eu": 100}
    assert parts["ap-1"].split == {"eu": 100}
    assert parts["eu-1"].objects_count == 4
    assert "kind: ServiceEntry" in parts["eu-1"].objects_yaml


def test_the_split_follows_the_order_of_regions(orders):
    orders.nearest = ["us", "eu"]
    orders.save()
    assert {p.cluster.name: p.split for p in parts_of(orders)}["ap-1"] == {"us": 100}


def test_a_cluster_without_ready_endpoints_is_served_by_the_next(orders, fleet):
    orders.placements.filter(cluster=fleet["eu-1"]).update(zones={"z1": [0, 2]}, ready=0)
    assert {p.cluster.name: p.split for p in parts_of(orders)}["eu-1"] == {"us": 100}


def test_a_route_of_the_owners_shows_what_to_add(fleet, project, kube):
    from mesh import actions

    kube.put("eu-1", "VirtualService", user_route())
    service = actions.mark_reachable(project, "shop", "orders", "test")
    part = next(part for part in parts_of(service) if part.cluster.name == "eu-1")
    assert not part.placement.routed
    assert "host: orders.shop.fleet.local" in part.route_yaml
    assert any("canary" in finding for finding in part.findings)


def test_a_cluster_that_never_answered_is_shown_as_not_known(fleet, project, kube):
    from mesh import actions

    kube.down = {"ap-1"}
    service = actions.mark_reachable(project, "shop", "orders", "test")
    part = next(part for part in parts_of(service) if part.cluster.name == "ap-1")
    assert (part.site, part.objects_count, part.split) == (None, 0, {})


def test_the_list_asks_no_more_for_many_services(
    orders, project, django_assert_num_queries, django_assert_max_num_queries
):
    access = access_of(make_user(role="viewer"))
    with django_assert_max_num_queries(5) as few:
        service_rows(access)
    for number in range(30):
        MeshService.objects.create(project=project, namespace="shop", name=f"s{number}")
    with django_assert_num_queries(len(few)):
        assert len(service_rows(access)) == 31


def test_the_window_covers_four_scrapes(settings):
    settings.FLEET_MESH_RATE_WINDOW_SECONDS = 5.0
    assert [queries.window_seconds(scrape) for scrape in (1, 15)] == [5, 60]
