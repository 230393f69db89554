"""What a client may send, and what it gets for anything else: raw bytes on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clusters.rig import GOOD_TOKEN, Rig, rig

HOST = "Host: portal\r\n"
AUTH = f"Authorization: {GOOD_TOKEN}\r\n"
GET = f"GET /k8s/clusters/c1/version HTTP/1.1\r\n{HOST}{AUTH}"
POST = f"POST /k8s/clusters/c1/api/v1/namespaces/app/pods HTTP/1.1\r\n{HOST}{AUTH}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        await made.connect_agent()
        yield made


SMUGGLED = {
    "length and chunked": POST
    + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX",
    "two lengths": POST + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "two hosts": GET + "Host: other\r\n\r\n",
    "no host": f"GET /k8s/clusters/c1/version HTTP/1.1\r\n{AUTH}\r\n",
    "folded line": GET + "X-Long: a\r\n b\r\n\r\n",
    "bare line feed in a value": GET + "User-Agent: a\nImpersonate-User: root\r\n\r\n",
    "space before the colon": GET + "Accept : */*\r\n\r\n",
    "vertical tab": GET + "User-Agent: a\x0bb\r\n\r\n",
    "NUL": GET + "User-Agent: a\0b\r\n\r\n",
    "chunked twice": POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "negative length": POST + "Content-Length: -1\r\n\r\n",
    "plus length": POST + "Content-Length: +3\r\n\r\nabc",
    "absolute target": f"GET http://other/k8s/clusters/c1/version HTTP/1.1\r\n{HOST}{AUTH}\r\n",
    "dot segments": f"GET /k8s/clusters/c1/api/../../secret HTTP/1.1\r\n{HOST}{AUTH}\r\n",
    "encoded dots": f"GET /k8s/clusters/c1/%2e%2e/secret HTTP/1.1\r\n{HOST}{AUTH}\r\n",
    "double slash": f"GET /k8s/clusters/c1//api HTTP/1.1\r\n{HOST}{AUTH}\r\n",
    "underscore": GET + "Accept_Encoding: gzip\r\n\r\n",
    "HTTP/0.9": "GET /k8s/clusters/c1/version\r\n\r\n",
    "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two authorizations": GET + "Authorization: Bearer other\r\n\r\n",
}


@pytest.mark.parametrize("sent", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_what_two_programs_could_read_differently_is_refused_and_cut(
    world: Rig, sent: str
) -> None:
    before = len(world.api.requests)
    client = await world.raw()
    await client.send(sent.encode("latin-1"))
    head = await client.head()
    assert b" 400 " in head.split(b"\r\n")[0]
    assert b"\r\nConnection: close\r\n" in head
    await client.rest()
    assert [request for request in world.api.requests[before:] if request[1] != "/readyz"] == []


IDENTITIES = [
    "Impersonate-User: root",
    "impersonate-group: system:masters",
    "IMPERSONATE-UID: 0",
    "Impersonate-Extra-Scopes: all",
    "Impersonate_User: root",
    "X-Remote-User: root",
    "x-remote-group: system:masters",
    "X-Remote-Extra-Foo: bar",
]


@pytest.mark.parametrize("line", IDENTITIES)
async def test_headers_that_claim_an_identity_are_forbidden(world: Rig, line: str) -> None:
    before = len(world.api.requests)
    client = await world.raw()
    await client.send(f"{GET}{line}\r\n\r\n".encode())
    assert (await client.answer())[0] == 403
    assert len(world.api.requests) == before
    client.close()


@pytest.mark.parametrize(
    "line",
    [
        "Connection: Impersonate-User, Authorization",
        "X-Forwarded-For: 1.2.3.4",
        "Audit-ID: mine",
        "Cookie: sessionid=1",
        "Proxy-Authorization: Basic eA==",
        "TE: trailers",
    ],
)
async def test_other_headers_never_reach_the_cluster(world: Rig, line: str) -> None:
    client = await world.raw()
    await client.send(f"{GET}{line}\r\n\r\n".encode())
    assert (await client.answer())[0] == 200
    headers = world.api.requests[-1][2]
    name, _, value = line.partition(": ")
    assert headers.get(name) != value
    assert headers["Impersonate-User"] == "fleet:user:ada"
    client.close()


async def test_a_head_beyond_64_kib_is_refused(world: Rig) -> None:
    client = await world.raw()
    await client.send((GET + "X-Large: " + "a" * 70_000).encode())
    assert (await client.answer())[0] == 431
    assert await client.rest() == b""


async def test_a_large_head_within_the_limit_passes(world: Rig) -> None:
    client = await world.raw()
    await client.send((GET + f"X-Large: {'a' * 8000}\r\n" * 7 + "\r\n").encode())
    assert (await client.answer())[0] == 200
    client.close()


async def test_requests_sent_ahead_are_answered_in_order(world: Rig) -> None:
    client = await world.raw()
    body = b'{"n": %d}'
    ahead = b"".join(
        f"{POST}Content-Length: {len(body) - 1}\r\n\r\n".encode() + body % number
        for number in range(5)
    )
    await client.send(ahead + f"{GET}\r\n".encode())
    for number in range(5):
        assert await client.answer() == (201, b'{"got": {"n": %d}}' % number)
    assert (await client.answer())[0] == 200
    client.close()


async def test_http_1_0_gets_its_answer_and_the_end(world: Rig) -> None:
    client = await world.raw()
    target = "/k8s/clusters/c1/api/v1/download?bytes=100000"
    await client.send(f"GET {target} HTTP/1.0\r\n{AUTH}\r\n".encode())
    head = await client.head()
    assert b"chunked" not in head.lower()
    assert len(await client.rest()) == 100_000


async def test_an_answer_to_head_has_no_body(world: Rig) -> None:
    client = await world.raw()
    await client.send(f"HEAD /k8s/clusters/c1/version HTTP/1.1\r\n{HOST}{AUTH}\r\n".encode())
    head = await client.head()
    assert b"Content-Length: " in head
    await client.send(f"{GET}\r\n".encode())
    assert (await client.answer())[0] == 200
    client.close()


async def test_a_refused_body_is_read_away_and_the_connection_goes_on(world: Rig) -> None:
    client = await world.raw()
    refused = f"POST /k8s/clusters/c1/api HTTP/1.1\r\n{HOST}Content-Length: 100000\r\n\r\n"
    await client.send(refused.encode())
    assert (await client.answer())[0] == 401
    await client.send(bytes(100_000))
    await client.send(f"{GET}\r\n".encode())
    assert (await client.answer())[0] == 200
    client.close()


async def answers_nothing(world: Rig) -> bool:
    try:
        client = await world.raw()
        await client.send(f"{GET}\r\n".encode())
        await client.head()
    except (ConnectionError, asyncio.IncompleteReadError):
        return True
    return False


async def test_an_address_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    async with rig(tmp_path) as world:
        object.__setattr__(world.gateway.config, "connections_per_address", 3)
        kept = [await world.raw() for _ in range(3)]
        assert await answers_nothing(world)
        for client in kept:
            client.close()


async def test_idle_connections_are_closed(world: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.gateway.server.IDLE_SECONDS", 0.1)
    client = await world.raw()
    await client.send(f"{GET}\r\n".encode())
    assert (await client.answer())[0] == 200
    assert await client.rest() == b""
