from pathlib import Path

import pytest

from clusters.agent.config import load_config
from clusters.agent.kube import AgentKube, ApiServer, OwnIdentity
from fleet_portal.agent import parts
from fleet_portal.agent.parts import composed
from tests.clusters.rig import CLUSTER_UID, FakeApi


async def test_the_agent_waits_for_the_manifest_and_is_composed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "CONFIG_RETRY_SECONDS", 0.01)
    api = FakeApi("https://portal.example", "")
    await api.start()
    config = "/api/v1/namespaces/fleet-system/configmaps/fleet-agent-config"
    applied = api.objects.pop(config)
    async with AgentKube(OwnIdentity(ApiServer(api.url, None), "own")) as kube:
        tries = 0

        async def counted(kube: AgentKube, instance: str) -> object:
            nonlocal tries
            tries += 1
            if tries == 2:
                api.objects[config] = applied
            return await load_config(kube, instance)

        monkeypatch.setattr(parts, "load_config", counted)
        agent = await composed(kube, "i", "0.1.0")
    await api.stop()
    assert tries == 2
    assert agent.keys.audience == CLUSTER_UID
    assert agent.status() == {
        "version": "0.1.0",
        "instance": "i",
        "api_reachable": False,
        "desired": {},
    }
