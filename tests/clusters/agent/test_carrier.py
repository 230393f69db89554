"""The agent's carrier against a server of the library: what it says first, and to whom."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.exceptions import InvalidStatus

from clusters.agent.assertions import KeySet, Verifier
from clusters.agent.carrier import Carrier
from clusters.agent.config import AgentConfig, parse_pins
from clusters.agent.endpoints import Router
from clusters.agent.portal_tls import PinMismatch
from clusters.tunnel.frames import Hello
from tests.clusters.rig import CLUSTER_UID, Rig, pin_of, rig, self_signed


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def config(world: Rig) -> AgentConfig:
    pins = parse_pins(pin_of(world.certificate))
    return AgentConfig(world.url, pins, "c1", "use", (), CLUSTER_UID, "i")


async def dial(config: AgentConfig) -> Carrier:
    verifier = Verifier(KeySet(CLUSTER_UID))
    return await Carrier.dial(config, "proof", cast(Any, None), Router(), verifier)


async def test_the_pinned_portal_is_dialled(world: Rig) -> None:
    carrier = await dial(config(world))
    await carrier.close()
    assert carrier.ended.done()


async def test_another_key_never_sees_the_proof(world: Rig) -> None:
    stranger = parse_pins(pin_of(self_signed("stranger")[3]))
    with pytest.raises(PinMismatch):
        await dial(replace(config(world), pins=stranger))
    assert world.gateway.agents._greeting == set()


async def test_a_redirect_is_not_followed(world: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def redirect(front: Any, request: Any) -> None:
        front.send_head(302, [("Location", "/elsewhere")], end=True)
        front.finish()

    monkeypatch.setattr(world.gateway.agents, "accept", redirect)
    with pytest.raises(InvalidStatus):
        await dial(config(world))


async def test_a_portal_that_does_not_welcome_is_left(
    world: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.agent.carrier.WELCOME_SECONDS", 0.1)
    world.web_role.delay = 5
    carrier = await dial(config(world))
    with pytest.raises(ConnectionError):
        await carrier.introduce(Hello(1, "0.1.0", "i", CLUSTER_UID))


async def test_a_refused_hello_tells_its_code(world: Rig) -> None:
    carrier = await dial(config(world))
    with pytest.raises(ConnectionError):
        await carrier.introduce(Hello(9, "9", "i", CLUSTER_UID))
    await asyncio.wait_for(carrier.ended, 5)
    assert carrier.close_code == 4400
