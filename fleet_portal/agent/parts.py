"""The parts of the agent and how they hang together: one list, run until one of them breaks."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from clusters.agent.assertions import KeySet
from clusters.agent.config import (
    AgentConfig,
    AgentIdentity,
    ConfigInvalid,
    load_config,
    load_identity,
)
from clusters.agent.connection import Connection, report_endpoints
from clusters.agent.endpoints import AgentEndpoints, AgentRequest, AgentResponse
from clusters.agent.inventory import Inventory
from clusters.agent.kube import AgentKube, AgentKubeError
from clusters.agent.probe import ApiProbe
from clusters.agent.reports import ReportBus
from deployments.agent.applier import Applier
from deployments.agent.endpoints import applier_endpoints

log = logging.getLogger(__name__)

CONFIG_RETRY_SECONDS = 5.0


async def composed(kube: AgentKube, instance: str, version: str) -> "Agent":
    """Return the agent; wait for the API server, and for the manifest to be applied."""
    while True:
        try:
            config = await load_config(kube, instance)
            return Agent(kube, config, version, await load_identity(kube))
        except (ConfigInvalid, AgentKubeError) as error:
            log.warning("%s", error)
        await asyncio.sleep(CONFIG_RETRY_SECONDS)


class Agent:
    """One agent, put together."""

    def __init__(
        self,
        kube: AgentKube,
        config: AgentConfig,
        version: str,
        identity: AgentIdentity | None = None,
    ) -> None:
        self.config = config
        self.version = version
        self.bus = ReportBus()
        # Kept from the last time: what was signed is applied with the portal dark, too.
        self.keys = KeySet(config.cluster_uid, identity.jwks if identity else ())
        self.probe = ApiProbe(kube, self.bus, config.server_version)
        self.inventory = Inventory(kube, self.bus, config.mode)
        self.applier = Applier(kube, self.bus, self.keys, config.cluster_uid)
        endpoints = [
            report_endpoints(self.bus),
            applier_endpoints(self.applier),
            self._own_endpoints(),
        ]
        self.connection = Connection(kube, config, self.keys, endpoints, version)

    async def run(self) -> None:
        """Run every part until cancelled; a part that breaks ends the program."""
        parts: list[Coroutine[Any, Any, None]] = [
            self.applier.run(),
            self.connection.run(),
            self.probe.run(),
            self.inventory.run(),
        ]
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)

    def _own_endpoints(self) -> AgentEndpoints:
        async def status(_request: AgentRequest) -> AgentResponse:
            return AgentResponse(200, msgspec.json.encode(self.status()))

        return {("GET", "/v1/status"): status}

    def status(self) -> dict[str, Any]:
        """Return what the agent says of itself."""
        return {
            "version": self.version,
            "instance": self.config.instance,
            "api_reachable": self.probe.reachable,
            "desired": self.applier.status(),
        }
