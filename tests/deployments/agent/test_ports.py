"""The real client, bus and keyring are what the applier asks for."""

import inspect

import pytest

from clusters.agent.assertions import KeySet
from clusters.agent.kube import AgentKube
from clusters.agent.reports import ReportBus as RealBus
from deployments.agent.ports import Keyring, KubeApi, ReportBus
from tests.deployments.agent.fake_kube import FakeKube

CALLS = [name for name in vars(KubeApi) if not name.startswith("_")]


def as_ports(kube: AgentKube, bus: RealBus, keys: KeySet) -> tuple[KubeApi, ReportBus, Keyring]:
    """Compile-time proof: mypy refuses this where a shape does not fit."""
    return kube, bus, keys


@pytest.mark.parametrize("name", [name for name in CALLS if name != "discovery"])
def test_the_fake_takes_what_the_real_client_takes(name: str) -> None:
    wanted = set(inspect.signature(getattr(KubeApi, name)).parameters)
    assert wanted <= set(inspect.signature(getattr(AgentKube, name)).parameters)
    assert wanted <= set(inspect.signature(getattr(FakeKube, name)).parameters)
