import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from fleet_portal.common.context import portal
from fleet_portal.common.models import User
from tests.factories import make_user


def request_of(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "operator", "administrator"),
    [("viewer", False, False), ("operator", True, False), ("administrator", True, True)],
)
def test_templates_know_the_role(role: str, operator: bool, administrator: bool) -> None:
    known = portal(request_of(make_user(role=role)))
    assert (known["is_operator"], known["is_administrator"]) == (operator, administrator)


def test_a_request_without_user_is_served_too() -> None:
    assert "access" not in portal(RequestFactory().get("/"))
