from pathlib import Path
from typing import Any

import pytest

from fleet_portal.demo.agents import ACCOUNT, LABELS, NAMESPACE, AgentRunner
from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork

from .conftest import kind, namespace, pod


class FakeChild:
    """What was started, and whether it was stopped."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.command, self.environment = command, environment
        self.is_running = True

    async def stop(self) -> None:
        self.is_running = False


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[FakeChild]:
    found: list[FakeChild] = []

    def start(name: str, command: Any, folder: Path, environment: Any) -> FakeChild:
        found.append(FakeChild(command, environment))
        return found[-1]

    monkeypatch.setattr("fleet_portal.demo.agents.Child.start", start)
    return found


@pytest.fixture
def cluster(tmp_path: Path) -> SimulatedCluster:
    """A cluster with the agent's account and one ready Pod of it."""
    plan = ClusterPlan("eu-1", "eu", ("eu-1-a",), 1, 8, 32)
    made = SimulatedCluster(plan, ClusterNetwork(254), tmp_path)
    made.objects.create(kind("Namespace"), namespace(NAMESPACE), "me")
    metadata = {"name": ACCOUNT, "namespace": NAMESPACE}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    made.objects.create(kind("ServiceAccount"), account, "me")
    obj = pod("agent-x")
    obj["metadata"] |= {"namespace": NAMESPACE, "labels": LABELS}
    stored = made.objects.create(kind("Pod"), obj, "me")
    ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    made.objects.update(kind("Pod"), {**stored, "status": ready}, "k", subresource="status")
    return made


async def test_each_ready_pod_gets_an_agent_on_its_own_account(
    cluster: SimulatedCluster, started: list[FakeChild], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "a secret of the person's own")
    await AgentRunner(cluster)._match()
    (child,) = started
    given = cluster.account_kubeconfig(NAMESPACE, ACCOUNT)
    assert child.command[1:5] == ["-m", "fleet_portal.agent", "--kubeconfig", str(given)]
    assert "FLEET_DATABASE_URL" not in child.environment


async def test_an_agent_that_ended_is_started_again(
    cluster: SimulatedCluster, started: list[FakeChild]
) -> None:
    runner = AgentRunner(cluster)
    await runner._match()
    started[0].is_running = False
    await runner._match()
    assert len(started) == 2


async def test_a_pod_that_goes_takes_its_agent_along(
    cluster: SimulatedCluster, started: list[FakeChild]
) -> None:
    runner = AgentRunner(cluster)
    await runner._match()
    cluster.objects.purge(kind("Pod"), NAMESPACE, "agent-x")
    await runner._match()
    assert (started[0].is_running, runner.children) == (False, [])
