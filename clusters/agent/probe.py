"""Whether the API server answers: asked every five seconds, reported when it changes."""

import asyncio
import time
from collections.abc import Callable

from clusters.agent.config import server_version
from clusters.agent.kube import AgentKube, AgentKubeError
from clusters.agent.reports import ReportBus

PROBE_SECONDS = 5.0
ANSWER_SECONDS = 4.0


class ApiProbe:
    """Publishes the report "api"."""

    def __init__(
        self, kube: AgentKube, bus: ReportBus, version: str, wall: Callable[[], float] = time.time
    ) -> None:
        self._kube = kube
        self._bus = bus
        self._version = version
        self._wall = wall
        self._reachable: bool | None = None
        self._since = 0.0

    @property
    def reachable(self) -> bool:
        """What the last probe found."""
        return bool(self._reachable)

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(PROBE_SECONDS)

    async def step(self) -> None:
        """Probe once."""
        try:
            await self._kube.text("/readyz", timeout_seconds=ANSWER_SECONDS)
        except AgentKubeError as error:
            self._found(False, str(error))
            return
        if self._reachable is not True:
            # It was away: it may have come back as another version.
            try:
                self._version = await server_version(self._kube)
            except AgentKubeError as error:
                self._found(False, str(error))
                return
        self._found(True, "")

    def _found(self, reachable: bool, message: str) -> None:
        if reachable is not self._reachable:
            self._reachable, self._since = reachable, self._wall()
        self._bus.publish(
            "api",
            "api",
            {
                "reachable": reachable,
                "since": self._since,
                "message": message[:256],
                "server_version": self._version,
            },
        )
