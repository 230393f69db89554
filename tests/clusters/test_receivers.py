"""A change of rights drops what gateways have cached about the person."""

from typing import Any

import pytest

from tests.clusters.conftest import Announced
from tests.factories import make_binding, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def flushed(announced: Announced, django_capture_on_commit_callbacks: Any) -> Any:
    def run(change: Any) -> list[dict[str, Any]]:
        announced.told.clear()
        with django_capture_on_commit_callbacks(execute=True):
            change()
        return announced.words("flush")

    return run


def test_a_role_given_or_taken(flushed: Any) -> None:
    user = make_user()
    bindings: list[Any] = []
    given = flushed(lambda: bindings.append(make_binding(user=user, role="viewer")))
    assert given == [{"person_id": str(user.pk)}]
    assert flushed(bindings[0].delete) == [{"person_id": str(user.pk)}]


def test_a_role_of_a_team_flushes_everybody(flushed: Any) -> None:
    team = make_team()
    assert flushed(lambda: make_binding(team=team, role="viewer")) == [{}]


def test_members_of_a_team(flushed: Any) -> None:
    team, user = make_team(), make_user()
    assert flushed(lambda: team.members.add(user)) == [{}]
    assert flushed(lambda: team.members.remove(user)) == [{}]


def test_a_disabled_person(flushed: Any) -> None:
    user = make_user()
    user.is_active = False
    assert flushed(user.save) == [{"person_id": str(user.pk)}]


def test_a_login_says_nothing_about_rights(flushed: Any) -> None:
    user = make_user()
    assert flushed(lambda: user.save(update_fields=["last_login"])) == []


def test_a_team_that_is_gone(flushed: Any) -> None:
    assert flushed(make_team().delete) == [{}]
