import pytest

from clusters import kube
from tests.deployments.factories import FakeAgents


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> FakeAgents:
    """Return agents that answer in memory."""
    fake = FakeAgents()
    monkeypatch.setattr(kube, "call_agent", fake.call_agent)
    return fake
