from collections.abc import Iterator

import pytest
from django.test import Client

from fleet_portal.common.live.fragments import Fragment, registry, sign_page
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def gone() -> Iterator[None]:
    """Register a fragment whose object no longer exists."""
    fragment = Fragment("test-gone", "unused.html", lambda key: [], lambda access, key: None)
    registry.register(fragment)
    yield
    del registry._by_name["test-gone"]


def test_a_stranger_is_told_to_log_in(client: Client) -> None:
    assert client.get("/-/live/", {"page": sign_page([])}).status_code == 401


def test_a_list_nobody_signed_is_not_found(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    assert client.get("/-/live/", {"page": "forged"}).status_code == 404


@pytest.mark.usefixtures("gone")
def test_polling_answers_what_the_page_shows(client: Client) -> None:
    client.force_login(make_user(role="viewer"))
    answer = client.get("/-/live/", {"page": sign_page([("test-gone", "3")])})
    (fragment,) = answer.json()["fragments"]
    assert 'id="test-gone-3"' in fragment
    assert "hx-swap-oob" in fragment
