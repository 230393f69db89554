"""A carrier against the library's own client: the handshake, bad messages, the end."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from clusters.tunnel import frames
from clusters.tunnel.frames import FrameType, Hello
from tests.clusters.rig import CLUSTER_UID, Rig, rig

HELLO = frames.encode_header(FrameType.HELLO, 0, 0) + frames.encode_body(
    Hello(1, "0.1.0", "i", CLUSTER_UID)
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def dial(world: Rig, **changes: Any) -> ClientConnection:
    options: dict[str, Any] = {
        "subprotocols": ["fleet.tunnel.v1"],
        "additional_headers": {"Authorization": "Fleet-Agent jws"},
        "compression": None,
        "ssl": world.trust,
        **changes,
    }
    return await connect(f"wss://127.0.0.1:{world.gateway.port}/tunnel/v1", **options)


async def close_code(ws: ClientConnection) -> int | None:
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(ws.recv(), 5)
    return ws.close_code


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"additional_headers": {}}, 401),
        ({"additional_headers": {"Authorization": "Bearer x"}}, 401),
        ({"subprotocols": ["other"]}, 400),
    ],
)
async def test_a_handshake_that_is_none_is_refused(
    world: Rig, changes: dict[str, Any], status: int
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await dial(world, **changes)
    assert refused.value.response.status_code == status


@pytest.mark.parametrize(
    "message",
    ["text", b"", b"\x55" + bytes(7), frames.encode_header(FrameType.PING, 0, 0) + bytes(8)],
    ids=["text", "empty", "unknown type", "before hello"],
)
async def test_a_message_against_the_rules_closes_with_4400(
    world: Rig, message: bytes | str
) -> None:
    ws = await dial(world)
    await ws.send(message)
    assert await close_code(ws) == 4400


async def test_the_librarys_pings_are_answered(world: Rig) -> None:
    ws = await dial(world)
    await asyncio.wait_for(await ws.ping(), 5)
    await ws.close()


async def test_a_carrier_that_says_nothing_is_closed(
    world: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.gateway.carrier.HELLO_SECONDS", 0.1)
    assert await close_code(await dial(world)) == 4400


async def test_a_protocol_of_the_future_is_refused(world: Rig) -> None:
    ws = await dial(world)
    hello = frames.encode_body(Hello(9, "9", "i", CLUSTER_UID))
    await ws.send(frames.encode_header(FrameType.HELLO, 0, 0) + hello)
    assert await close_code(ws) == 4400


async def test_a_proof_that_does_not_read_is_refused(world: Rig) -> None:
    ws = await dial(world)
    await ws.send(HELLO)
    assert await close_code(ws) is not None
    assert not list(world.gateway.agents.registry)
