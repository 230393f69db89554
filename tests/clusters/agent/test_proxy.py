import asyncio
import ssl
from typing import Any, cast

import pytest

from clusters.agent.assertions import Assertion
from clusters.agent.kube import AgentKube, ApiServer, ApiUnreachable
from clusters.agent.proxy import Proxy, check_request, request_head, without_certificate
from clusters.agent.upstream import Upstream, UpstreamPool
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import OpenHead, Payload, ResetCode, ResponseHead
from clusters.tunnel.requests import RequestRefused
from tests.clusters.agent.test_upstream import FakeTransport
from tests.clusters.rig import self_signed

ADA = Assertion("fleet:user:ada", "api", 0.0, False, b"Impersonate-User: fleet:user:ada\r\n")
SHOP = Assertion(
    "fleet:project:shop", "api", 0.0, True, b"Impersonate-User: fleet:project:shop\r\n"
)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def head(method: str = "GET", target: str = "/api", **fields: Any) -> OpenHead:
    fields = {"headers": [("accept", "*/*")], "assertion": "", "request_id": "r-1", **fields}
    return OpenHead(method, target, **fields)


def test_the_head_is_the_agents_own() -> None:
    built = request_head(head(), ADA, "token", "api.example", "/prefix", False)
    assert built == (
        b"GET /prefix/api HTTP/1.1\r\nHost: api.example\r\naccept: */*\r\n"
        b"Audit-ID: r-1\r\nAuthorization: Bearer token\r\n"
        b"Impersonate-User: fleet:user:ada\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("headers", "has_body", "line"),
    [
        ([("content-length", "12")], True, b"Content-Length: 12"),
        ([], True, b"Transfer-Encoding: chunked"),
        ([("content-length", "12\r\nX: y")], True, b"Transfer-Encoding: chunked"),
    ],
)
def test_the_body_is_framed_here(
    headers: list[tuple[str, str]], has_body: bool, line: bytes
) -> None:
    built = request_head(head("POST", headers=headers), ADA, "t", "h", "", has_body)
    assert line in built.split(b"\r\n")
    assert b"X: y" not in built


@pytest.mark.parametrize(
    ("asked", "assertion"),
    [
        (head(headers=[("authorization", "Bearer mine")]), ADA),
        (head(headers=[("impersonate-user", "root")]), ADA),
        (head(headers=[("accept", "a\r\nImpersonate-User: root")]), ADA),
        (head(target="/api/../secret"), ADA),
        (head("CONNECT"), ADA),
        (head("POST"), SHOP),
        (head(), Assertion("fleet:controller:x", "agent", 0.0, False, b"")),
    ],
)
def test_what_the_portal_should_not_have_sent_is_refused(
    asked: OpenHead, assertion: Assertion
) -> None:
    with pytest.raises(RequestRefused):
        check_request(asked, assertion, False)


def test_a_client_certificate_is_never_used_for_others() -> None:
    assert without_certificate(None) is None
    own = ssl.create_default_context()
    own.load_verify_locations(cadata=self_signed("ca")[0].decode())
    bare = without_certificate(own)
    assert bare is not None
    assert bare.verify_mode is ssl.CERT_REQUIRED
    assert bare.check_hostname
    assert bare.get_ca_certs(binary_form=True) == own.get_ca_certs(binary_form=True)


class FakeKube:
    def __init__(self) -> None:
        self.server = ApiServer("https://api.example:6443", None)
        self.tokens = 0
        self.forgotten: list[str] = []
        self.away = False

    async def data_token(self) -> str:
        if self.away:
            raise ApiUnreachable("the API server is not reached")
        self.tokens += 1
        return f"token-{self.tokens}"

    def forget_data_token(self, token: str) -> None:
        self.forgotten.append(token)


class Side:
    """The carrier."""

    def __init__(self) -> None:
        self.heads: list[ResponseHead] = []
        self.data = b""
        self.ended = False
        self.resets: list[int] = []
        self.credit = 0
        self.room = True

    def send_head(self, stream: Stream, head: ResponseHead, end: bool) -> None:
        self.heads.append(head)
        self.ended = end

    def send_data(self, stream: Stream, data: Payload, end: bool) -> bool:
        self.data += bytes(data)
        self.ended = end
        return self.room

    def consumed(self, stream: Stream, count: int) -> None:
        self.credit += count

    def reset(self, stream: Stream, code: int, reason: str = "") -> None:
        self.resets.append(code)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.kube = FakeKube()
        self.proxy = Proxy(cast(AgentKube, self.kube), lambda: self.now)
        self.proxy.pool = UpstreamPool(self.connect, lambda: self.now)
        self.side = Side()
        self.connections: list[tuple[Upstream, FakeTransport]] = []
        self.refuse = False

    async def connect(self, factory: Any) -> Any:
        if self.refuse:
            raise ConnectionRefusedError("nobody listens")
        upstream, transport = factory(), FakeTransport()
        upstream.connection_made(cast(asyncio.Transport, transport))
        self.connections.append((upstream, transport))
        return None, upstream

    async def serve(self, asked: OpenHead, assertion: Assertion = ADA, *, end: bool = True) -> Any:
        stream = Stream(1, 2**18, 2**18, self.now)
        self.proxy.serve(self.side, stream, asked, assertion, end)
        await self.settle()
        return stream.owner

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    return World()


async def test_an_answer_goes_back_whole(world: World) -> None:
    await world.serve(head())
    world.connections[0][0].data_received(ANSWER)
    assert (world.side.heads[0].status, world.side.data, world.side.ended) == (200, b"ok", True)
    assert not world.proxy.open


async def test_the_next_read_uses_the_same_connection_and_credential(world: World) -> None:
    for _ in range(2):
        await world.serve(head())
        world.connections[0][0].data_received(ANSWER)
    assert len(world.connections) == 1
    assert world.kube.tokens == 1


async def test_a_write_gets_a_connection_of_its_own(world: World) -> None:
    await world.serve(head())
    world.connections[0][0].data_received(ANSWER)
    await world.serve(head("POST"), end=False)
    assert len(world.connections) == 2


async def test_a_body_is_chunked_and_acknowledged_once_it_is_taken(world: World) -> None:
    exchange = await world.serve(head("POST", headers=[]), end=False)
    upstream, transport = world.connections[0]
    exchange.on_data(b"hello", False)
    assert world.side.credit == 5
    upstream.pause_writing()
    exchange.on_data(b"again", True)
    assert world.side.credit == 5
    upstream.resume_writing()
    assert world.side.credit == 10
    assert transport.written.endswith(b"5\r\nhello\r\n5\r\nagain\r\n0\r\n\r\n")


async def test_a_body_that_comes_before_the_connection_waits(world: World) -> None:
    stream = Stream(1, 2**18, 2**18, 0)
    asked = head("POST", headers=[("content-length", "5")])
    world.proxy.serve(world.side, stream, asked, ADA, False)
    stream.owner.on_data(b"hello", True)
    await world.settle()
    assert world.connections[0][1].written.endswith(b"\r\n\r\nhello")


async def test_a_slow_portal_pauses_the_api_server(world: World) -> None:
    exchange = await world.serve(head())
    upstream, transport = world.connections[0]
    world.side.room = False
    upstream.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst")
    assert not transport.reading
    exchange.on_writable()
    assert transport.reading


async def test_a_reset_ends_the_request_at_the_api_server(world: World) -> None:
    exchange = await world.serve(head())
    exchange.on_reset(ResetCode.CANCEL, "")
    assert world.connections[0][1].aborted
    assert not world.proxy.open


async def test_an_idle_connection_that_turns_out_closed_is_tried_anew_once(world: World) -> None:
    await world.serve(head())
    old, _ = world.connections[0]
    old.data_received(ANSWER)
    await world.serve(head())
    old.connection_lost(None)
    await world.settle()
    assert len(world.connections) == 2
    world.connections[1][0].connection_lost(None)
    await world.settle()
    assert world.side.resets == [ResetCode.UPSTREAM_EOF]


async def test_an_api_server_that_is_away_is_said_so(world: World) -> None:
    world.refuse = True
    await world.serve(head())
    assert world.side.resets == [ResetCode.UPSTREAM_CONNECT]


async def test_without_a_credential_nothing_is_sent(world: World) -> None:
    world.kube.away = True
    await world.serve(head())
    assert world.side.resets == [ResetCode.UPSTREAM_CONNECT]
    assert world.connections == []


async def test_an_answer_that_does_not_come_is_given_up(world: World) -> None:
    await world.serve(head(head_seconds=65.0))
    world.now = 64.0
    world.proxy.sweep()
    assert world.side.resets == []
    world.now = 66.0
    world.proxy.sweep()
    assert world.side.resets == [ResetCode.UPSTREAM_TIMEOUT]


async def test_a_refused_credential_is_replaced(world: World) -> None:
    await world.serve(head())
    world.connections[0][0].data_received(b"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")
    assert world.kube.forgotten == ["token-1"]
    await world.serve(head())
    assert world.kube.tokens == 2


async def test_closing_cuts_everything(world: World) -> None:
    await world.serve(head())
    world.proxy.close()
    assert world.connections[0][1].aborted
