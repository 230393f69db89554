from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clusters.gateway.exchange import Request
from clusters.gateway.pages import forwarded_head, page_headers
from tests.clusters.rig import FakePages, Rig, rig


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


@pytest.fixture
async def pages(world: Rig, tmp_path: Path) -> AsyncIterator[FakePages]:
    fake = FakePages()
    await fake.start(tmp_path / "web.sock")
    yield fake
    await fake.stop()


def request(*headers: tuple[bytes, bytes]) -> Request:
    made = Request()
    made.method, made.target, made.host = "GET", "/clusters/?page=2", "portal.example"
    made.headers = [(b"Host", b"portal.example"), *headers]
    return made


def test_forwarded_headers_are_the_gateways_alone() -> None:
    spoofed = request(
        (b"X-Forwarded-For", b"6.6.6.6"),
        (b"X-FORWARDED-PROTO", b"http"),
        (b"X_Forwarded_Host", b"evil"),
        (b"Forwarded", b"for=6.6.6.6"),
        (b"X-Real-IP", b"6.6.6.6"),
        (b"Accept", b"text/html"),
    )
    lines = forwarded_head(spoofed, "10.0.0.9", None, False).split(b"\r\n")
    assert lines == [
        b"GET /clusters/?page=2 HTTP/1.1",
        b"Accept: text/html",
        b"Host: portal.example",
        b"X-Forwarded-For: 10.0.0.9",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: portal.example",
        b"",
        b"",
    ]


def test_the_body_is_framed_anew() -> None:
    framed = request((b"Transfer-Encoding", b"chunked"), (b"Connection", b"close"))
    head = forwarded_head(framed, "10.0.0.9", 12, False)
    assert b"Content-Length: 12\r\n" in head
    assert b"chunked" not in head


def test_cookies_of_the_web_role_pass() -> None:
    headers = [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"Connection", b"close")]
    assert page_headers(headers) == [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")]


async def test_pages_pass_and_the_connection_stays(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    for _ in range(2):
        await client.send(b"GET /login HTTP/1.1\r\nHost: portal\r\n\r\n")
        assert await client.answer() == (200, b"page")
    client.close()


async def test_a_body_is_passed_on_once_it_is_whole(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(
        b"POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    )
    assert pages.heads == []
    await client.send(b"0\r\n\r\n")
    assert await client.answer() == (200, b"page")
    assert pages.bodies == [5]
    client.close()


async def test_a_large_body_passes_by_way_of_a_file(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    size = 7 * 1024 * 1024
    await client.send(b"POST / HTTP/1.1\r\nHost: p\r\nContent-Length: %d\r\n\r\n" % size)
    await client.send(bytes(size))
    assert await client.answer() == (200, b"page")
    assert pages.bodies == [size]
    client.close()


async def test_beyond_8_mib_is_a_413_before_it_is_sent(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(b"POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 9000000\r\n\r\n")
    assert (await client.answer())[0] == 413
    client.close()
    assert pages.heads == []


async def test_beyond_8_mib_in_chunks_is_a_413_too(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    await client.send(b"POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(9):
        await client.send(chunk)
    assert (await client.answer())[0] == 413
    client.close()


async def test_a_client_that_waits_for_it_is_told_to_continue(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(
        b"POST / HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    )
    assert await client.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.send(b"ab")
    assert await client.answer() == (200, b"page")
    client.close()


async def test_a_body_that_dawdles_is_a_408(
    world: Rig, pages: FakePages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.gateway.pages.BODY_SECONDS", 0.1)
    client = await world.raw()
    await client.send(b"POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 100\r\n\r\nslow")
    assert (await client.answer())[0] == 408
    assert await client.rest() == b""


async def test_a_head_that_dawdles_is_a_408(world: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.gateway.server.HEAD_SECONDS", 0.1)
    client = await world.raw()
    await client.send(b"GET / HTTP/1.1\r\nHost: p\r\nX-Slow: ")
    assert (await client.answer())[0] == 408


async def test_without_the_web_role_pages_say_so(world: Rig) -> None:
    client = await world.raw()
    await client.send(b"GET / HTTP/1.1\r\nHost: p\r\nAccept: text/html\r\n\r\n")
    status, body = await client.answer()
    assert status == 502
    assert b"<p>The portal is starting" in body
    client.close()


async def test_a_page_cut_by_the_web_role_never_looks_whole(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(b"GET /close HTTP/1.1\r\nHost: p\r\n\r\n")
    await client.head()
    with pytest.raises(ConnectionError):
        await client.rest()


async def test_live_sockets_are_spliced_both_ways(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(
        b"GET /ws/live/ HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert (await client.head()).startswith(b"HTTP/1.1 101 ")
    assert await client.reader.readexactly(6) == b"hello "
    await client.send(b"question")
    assert await client.reader.readexactly(8) == b"QUESTION"
    await pages.stop()
    assert await client.rest() == b""


async def test_a_refused_live_socket_ends_its_connection(world: Rig, pages: FakePages) -> None:
    client = await world.raw()
    await client.send(
        b"GET /ws/no HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        b"GET /ws/smuggled HTTP/1.1\r\nHost: p\r\n\r\n"
    )
    assert await client.answer() == (403, b"no")
    assert await client.rest() == b""
    assert len(pages.heads) == 1


@pytest.mark.parametrize("target", ["/login", "/static/x.js"])
async def test_other_upgrades_are_plain_requests(world: Rig, pages: FakePages, target: str) -> None:
    client = await world.raw()
    await client.send(
        f"GET {target} HTTP/1.1\r\nHost: p\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n".encode()
    )
    assert await client.answer() == (200, b"page")
    assert b"Upgrade" not in pages.heads[0]
    assert await client.rest() == b""


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
async def test_odd_methods_are_refused(world: Rig, pages: FakePages, method: str) -> None:
    client = await world.raw()
    await client.send(f"{method} / HTTP/1.1\r\nHost: p\r\n\r\n".encode())
    assert (await client.answer())[0] in (400, 405)
    assert pages.heads == []
    client.close()
