"""A page's socket, on the rows and the layer of the test, without a browser."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.template import engines

from fleet_portal.common.access import Access, Role
from fleet_portal.common.live import consumers
from fleet_portal.common.live.consumers import LiveConsumer
from fleet_portal.common.live.fragments import Fragment, registry, sign_page
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import RoleBinding, User
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)

drawn: list[str] = []


@pytest.fixture(autouse=True)
def fragment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register a fragment `test-row` that shows its key and the viewer's role."""

    def render(self: Fragment, access: Access, key: str = "", out_of_band: bool = False) -> str:
        drawn.append(key)
        template = engines["django"].from_string("<i id='test-row-{{ key }}'>{{ role }}</i>")
        return template.render({"key": key, "role": access.everywhere.name})

    drawn.clear()
    row = Fragment("test-row", "unused.html", lambda key: [f"thing:{key}"], lambda a, k: {})
    monkeypatch.setattr(Fragment, "render", render)
    monkeypatch.setattr(consumers, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(consumers, "BETWEEN_FLUSHES_SECONDS", 0.02)
    registry._by_name["test-row"] = row
    yield
    del registry._by_name["test-row"]


def connect(user: Any, page: str) -> WebsocketCommunicator:
    socket = WebsocketCommunicator(LiveConsumer.as_asgi(), f"/ws/live/?page={page}")
    socket.scope["user"] = user
    socket.scope["language"] = "en"
    return socket


@pytest.fixture
def viewer() -> User:
    return make_user(role="viewer")


@pytest.fixture
async def page(viewer: User) -> AsyncIterator[WebsocketCommunicator]:
    socket = connect(viewer, sign_page([("test-row", "1"), ("test-row", "2")]))
    await socket.connect()
    assert [await socket.receive_from(10) for _ in range(2)] == [
        "<i id='test-row-1'>VIEWER</i>",
        "<i id='test-row-2'>VIEWER</i>",
    ]
    yield socket
    await socket.disconnect()


async def test_a_change_sends_only_what_it_touches(page: WebsocketCommunicator) -> None:
    await database_sync_to_async(announce)("thing", 2)
    assert await page.receive_from(10) == "<i id='test-row-2'>VIEWER</i>"
    assert await page.receive_nothing(0.1)


async def test_a_resync_sends_everything_again(page: WebsocketCommunicator) -> None:
    await page.send_to(text_data='{"resync": true}')
    assert "test-row-1" in await page.receive_from(10)
    assert "test-row-2" in await page.receive_from(10)


def test_pages_opened_at_different_times_resync_together() -> None:
    assert {consumers.next_resync(opened) for opened in (60.0, 61.5, 119.9)} == {120.0}


async def test_a_right_taken_away_shows_at_the_next_change(
    page: WebsocketCommunicator, viewer: User
) -> None:
    await RoleBinding.objects.filter(user=viewer).aupdate(role="operator")
    await database_sync_to_async(announce)("thing", 1)
    assert Role.OPERATOR.name in await page.receive_from(10)


async def test_a_disabled_account_loses_its_socket(
    page: WebsocketCommunicator, viewer: User
) -> None:
    await User.objects.filter(pk=viewer.pk).aupdate(is_active=False)
    await database_sync_to_async(announce)("thing", 1)
    closing = await page.receive_output(10)
    assert (closing["type"], closing["code"]) == ("websocket.close", 4401)


async def test_noise_from_a_browser_is_ignored(page: WebsocketCommunicator) -> None:
    for noise in ("not json", "[]", '"resync"', "{}"):
        await page.send_to(text_data=noise)
    assert await page.receive_nothing(0.1)


async def test_a_stranger_gets_no_page() -> None:
    socket = connect(None, sign_page([("test-row", "1")]))
    await socket.connect()
    closing = await socket.receive_output(10)
    assert (closing["type"], closing["code"]) == ("websocket.close", 4401)


async def test_a_page_list_nobody_signed_is_refused(viewer: User) -> None:
    socket = connect(viewer, "forged")
    await socket.connect()
    closing = await socket.receive_output(10)
    assert (closing["type"], closing["code"]) == ("websocket.close", 4400)


async def test_pages_of_equal_scope_share_one_drawing(viewer: User) -> None:
    colleague = await database_sync_to_async(make_user)(role="viewer")
    page = sign_page([("test-row", "7")])
    sockets = [connect(user, page) for user in (viewer, colleague)]
    for socket in sockets:
        await socket.connect()
    for socket in sockets:
        assert "test-row-7" in await socket.receive_from(10)
    assert drawn.count("7") == 1
    for socket in sockets:
        await socket.disconnect()
