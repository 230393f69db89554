import json
from typing import Any, cast

import pytest

from clusters.agent.kube import AgentKube, ApiUnreachable
from clusters.agent.probe import ANSWER_SECONDS, PROBE_SECONDS, ApiProbe
from clusters.agent.reports import ReportBus


class FakeKube:
    away = False

    async def text(self, path: str, *, timeout_seconds: float = 30) -> str:
        if self.away:
            raise ApiUnreachable("refused")
        return "ok" if path == "/readyz" else '{"gitVersion": "v1.36.4"}'


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bus() -> ReportBus:
    return ReportBus()


async def latest(bus: ReportBus) -> dict[str, Any]:
    reader = bus.read()
    line = await anext(reader)
    await reader.aclose()
    found: dict[str, Any] = json.loads(line)
    return found


async def test_an_api_server_that_goes_and_comes_is_reported(bus: ReportBus) -> None:
    kube, clock = FakeKube(), Clock()
    probe = ApiProbe(cast(AgentKube, kube), bus, "v1.36.3", clock)
    await probe.step()
    assert await latest(bus) == {
        "kind": "api",
        "reachable": True,
        "since": 100.0,
        "message": "",
        "server_version": "v1.36.4",
    }
    kube.away, clock.now = True, 105.0
    await probe.step()
    clock.now = 110.0
    await probe.step()
    found = await latest(bus)
    assert (found["reachable"], found["since"], found["message"]) == (False, 105.0, "refused")
    assert not probe.reachable


def test_an_api_server_that_hangs_is_seen_within_15_s() -> None:
    assert PROBE_SECONDS + ANSWER_SECONDS < 15
