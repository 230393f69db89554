"""What the live parts say: zero is zero, unknown is unknown with its age."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fleet_portal.common.access import NOBODY, access_of
from fleet_portal.common.live.fragments import registry
from mesh import loops
from mesh.models import ClusterMesh, MeshService
from tests.factories import make_project, make_user
from tests.mesh.fakes import kube_service, user_route
from tests.mesh.rows import make_member

pytestmark = pytest.mark.django_db
NAMES = ["mesh-board", "mesh-matrix", "mesh-services", "mesh-clusters"]


@pytest.fixture
def access(db):
    return access_of(make_user(role="viewer"))


def render(name, access, key=""):
    return registry[name].render(access, str(key))


@pytest.mark.parametrize("name", [*NAMES, "mesh-lanes"])
def test_every_part_is_drawn_in_an_empty_portal(name, access):
    assert f'id="{name}' in render(name, access)


@pytest.mark.parametrize("name", NAMES)
def test_nobody_sees_nothing(name, orders):
    assert "hidden" in render(name, NOBODY)


def test_no_requests_say_zero(orders, access):
    ClusterMesh.objects.update(sampled_at=timezone.now())
    body = render("mesh-matrix", access)
    assert "Zero requests a second." in body
    assert 'data-total="0.0"' in body


def test_stale_numbers_say_unknown_with_age(orders, access):
    ClusterMesh.objects.update(sampled_at=timezone.now() - timedelta(minutes=5))
    body = render("mesh-matrix", access)
    assert "unknown, not zero" in body
    assert "data-age" in body
    assert 'data-state="unknown"' in render("mesh-board", access)


def test_requests_and_states_are_shown(orders, kube, access):
    kube.traffic("eu-1", "us-1", 10)
    kube.traffic("us-1", "us-1", 4)
    kube.age_seconds = 0.0
    loops.observe_traffic()
    matrix = render("mesh-matrix", access)
    assert "14.0 requests a second in all." in matrix
    assert 'data-from="eu" data-to="us" data-rate="10.0"' in matrix
    assert '<g class="mesh-arc tone-line-warn">' in matrix
    assert 'data-region="eu" data-state="failed_over"' in render("mesh-board", access)
    lanes = render("mesh-lanes", access, "60")
    assert "<rect" in lanes
    assert "100 % of its own requests are served elsewhere" in lanes


def test_one_dead_cluster_never_blanks_the_page(orders, kube, access):
    kube.down = {"eu-1"}
    kube.traffic("us-1", "us-1", 4)
    loops.observe_traffic()
    assert 'data-from="us" data-to="us" data-rate="4.0"' in render("mesh-matrix", access)
    assert 'data-from="eu" data-to="us" data-rate="unknown"' in render("mesh-matrix", access)


def test_a_services_page_shows_objects_split_and_route_to_add(fleet, project, kube, access):
    from mesh import actions

    kube.put("eu-1", "VirtualService", user_route())
    service = actions.mark_reachable(project, "shop", "orders", "test")
    body = render("mesh-service", access, service.pk)
    assert "kind: ServiceEntry" in body
    assert "VirtualService <code>canary</code>" in body
    assert "retryRemoteLocalities" in body
    assert "eu 100 %" in body


def test_parts_of_one_service_are_hidden_from_strangers(orders):
    stranger = access_of(make_user(role="viewer", project=make_project("other")))
    for name, key in (("mesh-service", orders.pk), ("mesh-matrix", orders.pk),
                      ("mesh-lanes", f"60-{orders.pk}")):  # fmt: skip
        assert "hidden" in render(name, stranger, key)


def test_hostile_names_are_escaped(project, kube, access):
    kube.put("eu-1", "Service", kube_service(selector={"app": "<script>alert(1)</script>"}))
    make_member(project, "eu-1")
    from mesh import actions

    service = actions.mark_reachable(project, "shop", "orders", "test")
    MeshService.objects.update(error="<img src=x>")
    body = render("mesh-service", access, service.pk) + render("mesh-services", access)
    assert "<script>" not in body
    assert "<img" not in body


@pytest.mark.parametrize(
    ("name", "key", "topics"),
    [
        ("mesh-service", "7", ["mesh-service:7"]),
        ("mesh-service", "7-9", ["mesh-service:7", "application:9"]),
        ("mesh-lanes", "60", ["region-state:any"]),
        ("mesh-lanes", "60-7", ["mesh-service:7"]),
    ],
)
def test_parts_are_redrawn_by_what_concerns_them(name, key, topics):
    assert registry[name].topics(key) == topics


@pytest.mark.parametrize(("key", "linked"), [("", True), ("regions", False)])
def test_the_board_leads_to_the_page_of_regions_but_not_from_there(orders, access, key, linked):
    assert ('href="/regions/"' in render("mesh-board", access, key)) is linked


@pytest.mark.parametrize("name", ["mesh-board", "mesh-matrix"])
def test_who_sees_some_projects_only_is_told_what_is_counted(name, orders):
    said = "Only requests to services of your projects are counted."
    limited = access_of(make_user(role="viewer", project=make_project("other")))
    assert said in render(name, limited)
    assert said not in render(name, access_of(make_user("whole", role="viewer")))
