import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from clusters.agent.endpoints import AgentRequest, AgentResponse, Router
from clusters.agent.local import LocalExchange
from clusters.tunnel.events import Stream
from clusters.tunnel.frames import ResetCode
from tests.clusters.agent.test_proxy import Side, head


class TaskSide(Side):
    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[asyncio.Task[None]] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.create_task(work))


async def echo(request: AgentRequest) -> AgentResponse:
    return AgentResponse(200, request.query.encode() + b":" + request.body)


async def fail(request: AgentRequest) -> AgentResponse:
    raise RuntimeError("a bug")


async def stream(request: AgentRequest) -> AgentResponse:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            yield b"%d\n" % number

    return AgentResponse(200, pieces(), "application/x-ndjson")


ROUTER = Router(
    {("PUT", "/v1/echo"): echo, ("GET", "/v1/fail"): fail, ("GET", "/v1/stream"): stream}
)


class World:
    def __init__(self) -> None:
        self.side = TaskSide()

    def start(self, method: str, target: str, *, end: bool = True) -> LocalExchange:
        exchange = LocalExchange(self.side, Stream(1, 2**18, 2**18, 0), head(method, target))
        exchange.start(ROUTER, end)
        return exchange

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
async def world() -> World:
    return World()


async def test_a_handler_gets_the_whole_body(world: World) -> None:
    exchange = world.start("PUT", "/v1/echo?a=1", end=False)
    exchange.on_data(b"hel", False)
    await world.settle()
    assert world.side.heads == []
    exchange.on_data(b"lo", True)
    await world.settle()
    assert world.side.data == b"a=1:hello"
    assert world.side.credit == 5
    assert ("Content-Length", "9") in world.side.heads[0].headers


async def test_a_body_beyond_8_mib_is_refused(world: World) -> None:
    exchange = world.start("PUT", "/v1/echo", end=False)
    exchange.on_data(bytes(8 * 1024 * 1024 + 1), False)
    assert world.side.resets == [ResetCode.POLICY]


async def test_a_stream_is_sent_as_it_comes(world: World) -> None:
    world.start("GET", "/v1/stream")
    await world.settle()
    assert (world.side.data, world.side.ended) == (b"0\n1\n2\n", True)


async def test_a_stream_waits_for_room(world: World) -> None:
    world.side.room = False
    exchange = world.start("GET", "/v1/stream")
    await world.settle()
    assert world.side.data == b"0\n"
    exchange.on_writable()
    await world.settle()
    assert world.side.data == b"0\n1\n"


@pytest.mark.parametrize(("target", "status"), [("/v1/nothing", 404), ("/v1/echo", 405)])
async def test_an_unknown_endpoint_is_answered(world: World, target: str, status: int) -> None:
    world.start("GET", target)
    await world.settle()
    assert world.side.heads[0].status == status


async def test_a_bug_ends_its_stream_alone(world: World) -> None:
    world.start("GET", "/v1/fail")
    await world.settle()
    assert world.side.resets == [ResetCode.INTERNAL]


async def test_a_reset_ends_the_handler(world: World) -> None:
    world.side.room = False
    exchange = world.start("GET", "/v1/stream")
    await world.settle()
    exchange.on_reset(ResetCode.CANCEL, "")
    await world.settle()
    assert world.side.tasks[0].done()
