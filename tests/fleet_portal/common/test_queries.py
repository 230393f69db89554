from datetime import date

import pytest

from fleet_portal.common.access import NOBODY, access_of
from fleet_portal.common.audit import record
from fleet_portal.common.queries import (
    AuditFilter,
    administers_anything,
    audit_visible_to,
    people_known_to,
    projects_administered_by,
    projects_visible_to,
    roles_administered_by,
    teams_known_to,
)
from tests.factories import make_binding, make_project, make_team, make_user

pytestmark = pytest.mark.django_db


def names(entries) -> list[str]:
    return [entry.object_name for entry in entries]


def test_a_viewer_of_one_project_sees_its_entries_and_the_own_ones() -> None:
    shop, bank = make_project("shop"), make_project("bank")
    viewer = make_user(role="viewer", project=shop)
    record("test", "x.y", name="shop", project=shop)
    record("test", "x.y", name="bank", project=bank)
    record("test", "x.y", name="no project")
    record(viewer, "x.y", name="own")
    assert names(audit_visible_to(access_of(viewer))) == ["own", "shop"]


def test_a_viewer_of_everything_sees_every_entry_newest_first() -> None:
    record("test", "x.y", name="first", project=make_project("shop"))
    record("test", "x.y", name="second")
    assert names(audit_visible_to(access_of(make_user(role="viewer")))) == ["second", "first"]


def test_a_stranger_sees_no_entry() -> None:
    record("test", "x.y", name="one")
    assert names(audit_visible_to(access_of(make_user()))) == []
    assert names(audit_visible_to(NOBODY)) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (AuditFilter(actor="agent"), ["eu-1"]),
        (AuditFilter(action="cluster."), ["eu-2", "eu-1"]),
        (AuditFilter(object_text="2"), ["eu-2"]),
        (AuditFilter(outcome="refused"), ["eu-2"]),
        (AuditFilter(since=date(2999, 1, 1)), []),
        (AuditFilter(until=date(2000, 1, 1)), []),
        (AuditFilter(since=date(2000, 1, 1), until=date(2999, 1, 1)), ["shop", "eu-2", "eu-1"]),
    ],
)
def test_the_filter_narrows_by_each_field(wanted: AuditFilter, found: list[str]) -> None:
    record("agent:eu-1", "cluster.join", name="eu-1")
    record("ada", "cluster.rename", name="eu-2", outcome="refused")
    record("ada", "project.create", name="shop")
    assert names(audit_visible_to(access_of(make_user(role="viewer")), wanted)) == found


def test_an_administrator_of_one_project_manages_its_roles_only() -> None:
    shop, bank = make_project("shop"), make_project("bank")
    access = access_of(make_user(role="administrator", project=shop))
    own = make_binding(user=make_user(), role="viewer", project=shop)
    make_binding(user=make_user(), role="viewer", project=bank)
    make_binding(user=make_user(), role="viewer")
    assert own in roles_administered_by(access)
    assert {binding.project for binding in roles_administered_by(access)} == {shop}
    assert list(projects_administered_by(access)) == [shop]


def test_an_operator_administers_nothing_and_is_told_of_nobody() -> None:
    make_team()
    access = access_of(make_user(role="operator"))
    assert not administers_anything(access)
    assert not people_known_to(access).exists()
    assert not teams_known_to(access).exists()


def test_an_administrator_is_told_of_active_people() -> None:
    admin = make_user(role="administrator")
    make_user(is_active=False)
    assert list(people_known_to(access_of(admin))) == [admin]


def test_a_viewer_sees_the_own_projects_only() -> None:
    shop = make_project("shop")
    make_project("bank")
    assert list(projects_visible_to(access_of(make_user(role="viewer", project=shop)))) == [shop]
