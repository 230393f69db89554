from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import RequestFactory

from fleet_portal.common import throttle
from fleet_portal.common.access import access_of
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.forms import (
    AuditFilterForm,
    GrantRoleForm,
    LoginForm,
    add_refusal,
    remote_address,
)
from fleet_portal.common.models import AuditEntry, User
from fleet_portal.common.queries import AuditFilter
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def ada() -> User:
    user = make_user("ada")
    user.set_password(PASSWORD)
    user.save()
    return user


def login(password: str, username: str = "ada") -> LoginForm:
    request = RequestFactory().post("/login/", HTTP_X_FORWARDED_FOR="192.0.2.1")
    return LoginForm(request, {"username": username, "password": password})


def test_login_and_password_that_match_let_in(ada: User) -> None:
    assert login(PASSWORD).is_valid()


def test_a_wrong_password_is_refused_and_recorded_for_the_person(ada: User) -> None:
    assert not login("wrong").is_valid()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.outcome, entry.object_name) == ("person.login", "refused", "ada")


def test_after_too_many_failures_the_right_password_waits_too(ada: User) -> None:
    for _ in range(throttle.ATTEMPTS):
        login("wrong").is_valid()
    assert "15 minutes" in str(login(PASSWORD).errors)


def test_a_deactivated_person_is_refused(ada: User) -> None:
    User.objects.update(is_active=False)
    assert not login(PASSWORD).is_valid()


def test_the_address_is_the_one_that_the_gateway_wrote_last() -> None:
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="203.0.113.9, 192.0.2.1")
    assert remote_address(request) == "192.0.2.1"


def test_a_field_of_the_audit_filter_that_is_no_date_is_left_out() -> None:
    form = AuditFilterForm({"actor": "ada", "since": "yesterday"})
    assert form.wanted() == AuditFilter(actor="ada")
    assert form.errors["since"]


def grant(viewer: User, **values: Any) -> GrantRoleForm:
    data = {name: getattr(value, "pk", value) for name, value in values.items()}
    return GrantRoleForm(access_of(viewer), {"role": "viewer", **data})


def test_an_administrator_of_everything_may_give_a_role_on_everything() -> None:
    form = grant(make_user(role="administrator"), user=make_user("grace"))
    assert form.is_valid()
    assert form.binding().project is None


def test_an_administrator_of_a_project_must_name_it() -> None:
    shop = make_project("shop")
    admin, grace = make_user(role="administrator", project=shop), make_user()
    assert grant(admin, user=grace).errors["project"]
    assert grant(admin, user=grace, project=shop).is_valid()


def test_an_administrator_of_a_project_cannot_name_another() -> None:
    admin = make_user(role="administrator", project=make_project("shop"))
    assert grant(admin, user=make_user(), project=make_project("bank")).errors["project"]


def test_a_role_goes_to_a_person_or_a_team() -> None:
    assert "person or a team" in str(grant(make_user(role="administrator")).errors)


def test_a_refusal_lands_on_the_field_it_names() -> None:
    form = AuditFilterForm({})
    add_refusal(form, ActionRefused("Choose another.", field="actor"))
    add_refusal(form, ActionRefused("Not now.", field="nowhere"))
    assert form.errors["actor"] == ["Choose another."]
    assert form.non_field_errors() == ["Not now."]
