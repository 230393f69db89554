import pytest
from django.test import Client

from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def test_administrators_of_everything_enter(client: Client) -> None:
    client.force_login(make_user(role="administrator"))
    assert client.get("/admin/").status_code == 200


@pytest.mark.parametrize("role", ["", "viewer", "operator"])
def test_others_do_not_enter(client: Client, role: str) -> None:
    client.force_login(make_user(role=role))
    assert client.get("/admin/", follow=True).status_code == 403


def test_an_administrator_of_one_project_does_not_enter(client: Client) -> None:
    client.force_login(make_user(role="administrator", project=make_project("shop")))
    assert client.get("/admin/", follow=True).status_code == 403


def test_djangos_own_flags_give_nothing(client: Client) -> None:
    client.force_login(make_user(is_staff=True))
    assert client.get("/admin/", follow=True).status_code == 403


def test_nobody_is_sent_to_the_portals_login(client: Client) -> None:
    assert client.get("/admin/", follow=True).redirect_chain[-1][0].startswith("/login/?next=")


def test_its_logout_logs_out(client: Client) -> None:
    client.force_login(make_user(role="administrator"))
    client.post("/admin/logout/")
    assert client.get("/").status_code == 302


def test_its_password_link_leads_to_the_recorded_page(client: Client) -> None:
    client.force_login(make_user(role="administrator"))
    assert client.get("/admin/password_change/")["Location"] == "/password/"
