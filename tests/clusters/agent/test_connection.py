"""Enrolling, coming back, learning keys: the whole agent in the rig."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clusters.link import LinkRefused
from tests.clusters.rig import FakeWebRole, Rig, eventually, rig

JOIN = "/api/v1/namespaces/fleet-system/secrets/fleet-agent-join"
IDENTITY = "/api/v1/namespaces/fleet-system/secrets/fleet-agent-identity"


@pytest.fixture
async def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr("clusters.agent.connection.next_wait", lambda *_: 0.01)
    monkeypatch.setattr("clusters.agent.connection.TOKEN_LOOK_SECONDS", 0.02)
    async with rig(tmp_path) as made:
        yield made


async def status(world: Rig) -> int:
    async with world.client.get(world.kube_url("/version"), headers=world.headers) as answer:
        return answer.status


async def test_it_enrols_once_and_keeps_its_key_in_the_cluster(world: Rig) -> None:
    await world.connect_agent()
    data = world.api.objects[IDENTITY]["data"]
    assert b"PRIVATE KEY" in base64.b64decode(data["tls.key"])
    world.agents[0].cancel()
    await world.web_role.fact_of("closed")
    await world.connect_agent()
    assert world.web_role.asked.count("enroll") == 1


async def test_it_comes_back_after_a_loss(world: Rig) -> None:
    connection = await world.connect_agent()
    first = connection.carrier
    assert first is not None
    first.abort()
    await eventually(lambda: connection.carrier not in (None, first))
    await eventually(lambda: world.gateway.agents.registry.pick("c1") is not None)
    assert await status(world) == 200


async def test_it_comes_back_when_the_gateway_asks_for_it(world: Rig) -> None:
    connection = await world.connect_agent()
    first = connection.carrier
    world.gateway.agents.drain(1, 0)
    await eventually(lambda: connection.carrier not in (None, first))


async def test_a_refused_agent_takes_a_new_token_at_once(world: Rig) -> None:
    connection = await world.connect_agent()
    world.web_role.refuse_hello = LinkRefused(403, "Forbidden", "removed", 4403)
    world.link.tell("disconnect", {"cluster": "c1", "code": 4403, "reason": "removed"})
    await eventually(lambda: world.gateway.counters.carriers_refused > 0)
    world.web_role.refuse_hello = None
    world.web_role.token = "second"
    token = base64.b64encode(b"second").decode()
    world.api.objects[JOIN]["data"]["token"] = token
    await eventually(lambda: world.web_role.asked.count("enroll") == 2)
    await eventually(lambda: connection.carrier is not None)


async def test_new_keys_of_the_portal_are_learned_and_kept(world: Rig) -> None:
    await world.connect_agent()
    fresh = FakeWebRole()
    world.web_role.key = fresh.key
    world.gateway.grants.flush(None, None)
    assert await status(world) == 403
    world.link.tell("keys", {"keys": world.web_role.jwks})
    async with asyncio.timeout(10):
        while await status(world) != 200:
            world.gateway.grants.flush(None, None)
            await asyncio.sleep(0.05)
    await eventually(
        lambda: (
            world.web_role.jwks[0]["x"]
            in base64.b64decode(world.api.objects[IDENTITY]["data"]["keys.json"]).decode()
        )
    )


async def test_a_certificate_past_two_thirds_of_its_life_is_renewed(
    world: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clusters.agent.connection.renew_at", lambda identity: 0.0)
    await world.connect_agent()
    before = world.api.objects[IDENTITY]["data"]["tls.crt"]
    await eventually(lambda: world.api.objects[IDENTITY]["data"]["tls.crt"] != before)
    assert world.web_role.asked.count("enroll") == 2


async def test_without_token_and_identity_it_waits_for_somebody(world: Rig) -> None:
    del world.api.objects[JOIN]
    task = asyncio.create_task(world.connect_agent())
    await asyncio.sleep(0.1)
    assert "hello" not in world.web_role.asked
    world.api.objects[JOIN] = {
        "metadata": {"name": "fleet-agent-join"},
        "data": {"token": base64.b64encode(b"join-me").decode()},
    }
    await asyncio.wait_for(task, 10)
