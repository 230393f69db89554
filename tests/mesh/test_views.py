"""Pages: owner, colleague and stranger; forms keep what was typed; nobody blanks the page."""

import pytest
from django.urls import reverse

from mesh.models import ClusterMesh, MeshService
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
DETAIL = ("shop", "orders")


def page(name, *args):
    return reverse(f"mesh:{name}", args=args)


@pytest.fixture
def people(project):
    return {
        "administrator": make_user(role="administrator"),
        "owner": make_user(role="operator", project=project),
        "colleague": make_user(role="viewer", project=project),
        "stranger": make_user(role="operator", project=make_project("other")),
        "nobody": make_user(),
    }


def status(client, user, url, method="get", **data):
    client.force_login(user)
    return getattr(client, method)(url, **data).status_code


@pytest.mark.parametrize(
    ("name", "args", "allowed"),
    [
        ("regions", (), {"administrator", "owner", "colleague", "stranger"}),
        ("services", (), {"administrator", "owner", "colleague", "stranger"}),
        ("service", DETAIL, {"administrator", "owner", "colleague"}),
        ("change", DETAIL, {"administrator", "owner"}),
        ("unmark", DETAIL, {"administrator", "owner"}),
        ("mark", (), {"administrator", "owner", "stranger"}),
        ("clusters", (), {"administrator", "owner", "colleague", "stranger"}),
        ("cluster", ("eu-1",), {"administrator"}),
    ],
)
def test_who_may_open_which_page(client, orders, people, name, args, allowed):
    got = {who for who, user in people.items() if status(client, user, page(name, *args)) == 200}
    assert got == allowed


def test_a_stranger_cannot_tell_a_hidden_service_from_none(client, orders, people):
    assert status(client, people["stranger"], page("service", *DETAIL)) == 404
    assert status(client, people["stranger"], page("service", "shop", "none")) == 404


def test_without_a_login_there_is_only_the_login_page(client, orders):
    response = client.get(page("regions"))
    assert response.status_code == 302
    assert "login" in response["Location"]


def test_the_regions_page_lists_its_live_parts(client, orders, people):
    client.force_login(people["colleague"])
    body = client.get(page("regions")).content.decode()
    for part in ('id="mesh-board-regions"', 'id="mesh-matrix"', 'id="mesh-lanes-60"', 'id="live"'):
        assert part in body


def test_a_window_that_there_is_not_falls_back(client, orders, people):
    client.force_login(people["colleague"])
    assert 'id="mesh-lanes-60"' in client.get(page("regions") + "?window=<x>").content.decode()


def test_marking_shows_the_service(client, fleet, people):
    client.force_login(people["owner"])
    data = {"project": "shop-team", "namespace": "shop", "name": "orders", "nearest": "us, eu"}
    response = client.post(page("mark"), data)
    assert response["Location"] == page("service", *DETAIL)
    assert MeshService.objects.get().nearest == ["us", "eu"]


def test_a_refusal_keeps_what_was_typed_beside_its_field(client, fleet, people):
    client.force_login(people["owner"])
    data = {"project": "shop-team", "namespace": "shop", "name": "no-such-service"}
    response = client.post(page("mark"), data)
    body = response.content.decode()
    assert response.status_code == 400
    assert "No cluster has a Service of this name" in body
    assert 'value="no-such-service"' in body


def test_a_stranger_cannot_mark_in_a_project_of_others(client, fleet, people):
    client.force_login(people["stranger"])
    data = {"project": "shop-team", "namespace": "shop", "name": "orders"}
    assert client.post(page("mark"), data).status_code == 400
    assert not MeshService.objects.exists()


def test_the_order_is_changed(client, orders, people):
    client.force_login(people["owner"])
    client.post(page("change", *DETAIL), {"nearest": "ap, us", "hold_down_seconds": "30"})
    orders.refresh_from_db()
    assert (orders.nearest, orders.hold_down_seconds) == (["ap", "us"], 30)


def test_an_order_of_unknown_regions_is_refused(client, orders, people):
    client.force_login(people["owner"])
    response = client.post(page("change", *DETAIL), {"nearest": "mars"})
    assert "There is no region mars." in response.content.decode()


def test_removal_is_asked_for_first(client, orders, people):
    client.force_login(people["owner"])
    client.get(page("unmark", *DETAIL))
    orders.refresh_from_db()
    assert not orders.removing
    client.post(page("unmark", *DETAIL))
    orders.refresh_from_db()
    assert orders.removing


def test_gateways_are_set_by_administrators_alone(client, fleet, people):
    data = {"gateways": "10.7.0.1", "scrape_seconds": "15"}
    url = page("cluster", "eu-1")
    assert status(client, people["owner"], url, "post", data=data) == 403
    client.force_login(people["administrator"])
    client.post(url, data)
    assert ClusterMesh.objects.get(cluster__name="eu-1").gateways[0]["address"] == "10.7.0.1"


def test_a_bad_gateway_is_said_at_its_field(client, fleet, people):
    client.force_login(people["administrator"])
    data = {"gateways": "gateway.example.com", "scrape_seconds": "15"}
    response = client.post(page("cluster", "eu-1"), data)
    assert "no gateway address" in response.content.decode()
    assert "gateway.example.com</textarea>" in response.content.decode()
