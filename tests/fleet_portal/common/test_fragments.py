import re
from datetime import date

import pytest

from fleet_portal.common.access import access_of
from fleet_portal.common.audit import record
from fleet_portal.common.fragments import activity, audit_key, audit_list, read_audit_key, roles
from fleet_portal.common.queries import AuditFilter
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


def test_a_key_keeps_filter_and_page() -> None:
    wanted = AuditFilter(actor="ada & co", outcome="done", since=date(2026, 1, 2))
    assert read_audit_key(audit_key(wanted, 3)) == (wanted, 3)


def test_a_key_is_fit_for_an_elements_id() -> None:
    assert re.fullmatch(r"[\w-]+", audit_key(AuditFilter(actor="<a> 'b' 集群"), 12))


def test_the_audit_list_holds_what_its_key_asks_for() -> None:
    record("ada", "cluster.rename", name="eu-1")
    record("wei", "cluster.rename", name="eu-2")
    access = access_of(make_user(role="viewer"))
    html = audit_list.render(access, audit_key(AuditFilter(actor="ada"), 1))
    assert "eu-1" in html
    assert "eu-2" not in html


def test_a_filter_that_hides_every_row_offers_to_clear_itself() -> None:
    html = audit_list.render(
        access_of(make_user(role="viewer")), audit_key(AuditFilter(actor="nobody"), 1)
    )
    assert "Clear the filter" in html


def test_activity_leaves_logins_out() -> None:
    ada = make_user("ada", role="viewer")
    record(ada, "person.login", ada)
    record(ada, "cluster.rename", name="eu-1")
    html = activity.render(access_of(ada))
    assert "eu-1" in html
    assert "login of" not in html


def test_names_are_escaped() -> None:
    record("ada", "cluster.rename", name="<script>alert(1)</script>")
    assert "<script>" not in activity.render(access_of(make_user(role="viewer")))


def test_roles_are_shown_to_those_who_administer_only() -> None:
    shop = make_project("shop")
    make_user("grace", role="operator", project=shop)
    assert "grace" in roles.render(access_of(make_user(role="administrator", project=shop)))
    assert "grace" not in roles.render(access_of(make_user(role="operator", project=shop)))


@pytest.mark.parametrize("fragment", [activity, roles])
def test_queries_do_not_grow_with_rows(fragment, django_assert_num_queries) -> None:
    access = access_of(make_user(role="administrator"))

    def fill(count: int) -> None:
        for _ in range(count):
            record(make_user(role="viewer", project=make_project()), "x.y", project=make_project())

    fill(3)
    with django_assert_num_queries(1):
        fragment.render(access)
    fill(27)
    with django_assert_num_queries(1):
        fragment.render(access)
