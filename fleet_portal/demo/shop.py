"""The demo's story, told to the portal through its REST: a project, a rollout, a shared service."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from fleet_portal.demo import plans
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.network import GATEWAY_PORT
from fleet_portal.demo.portal import Client, DemoFailed, Refused

_LOOK_SECONDS = 0.3


async def make_project(client: Client) -> None:
    await client.ask("POST", "projects/", {"slug": plans.PROJECT, "name": "Shop"})


async def wait_connected(client: Client, names: Sequence[str], seconds: float) -> list[str]:
    """Return the names of the clusters that are not connected after at most some seconds."""
    ends = time.monotonic() + seconds
    waiting = list(names)
    while waiting and time.monotonic() < ends:
        page = await client.ask("GET", "clusters/?state=connected")
        there = {row["name"] for row in page["results"]}
        waiting = [name for name in names if name not in there]
        await asyncio.sleep(_LOOK_SECONDS)
    return waiting


async def roll_out(client: Client) -> int:
    """Make the application, place it everywhere and start its first rollout; return its id."""
    application = await client.ask(
        "POST",
        "applications/",
        {
            "project": plans.PROJECT,
            "name": plans.APPLICATION,
            "namespace": plans.NAMESPACE,
            "objects": plans.shop_objects(),
            "placement": {"regions": list(plans.REGIONS)},
            "note": "First version",
        },
    )
    number = int(application["id"])
    await client.ask("PUT", f"applications/{number}/overrides/", plans.overrides())
    started = await client.ask("POST", "rollouts/", {"application": number, "waves": plans.waves()})
    return int(started["rollout"]["id"])


async def wait_rolled_out(client: Client, rollout: int, seconds: float) -> dict[str, Any]:
    """Return the rollout once it has ended. Raises DemoFailed where it does not in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        answer: dict[str, Any] = await client.ask("GET", f"rollouts/{rollout}/")
        if answer["rollout"]["finished_at"]:
            return answer
        await asyncio.sleep(_LOOK_SECONDS)
    raise DemoFailed(f"The first rollout has not ended within {seconds:g} s.")


async def describe_mesh(client: Client, clusters: Sequence[SimulatedCluster]) -> None:
    """Tell the portal how each cluster is entered from the others."""
    for cluster in clusters:
        await client.ask(
            "PUT",
            f"mesh/clusters/{cluster.plan.name}/",
            {
                "gateways": [f"{cluster.network.gateway}:{GATEWAY_PORT}"],
                "istio_id": cluster.plan.name,
                "scrape_seconds": 1,
            },
        )


async def share_service(client: Client, seconds: float) -> None:
    """Mark the service reachable across clusters, as soon as clusters run it."""
    body = {
        "project": plans.PROJECT,
        "namespace": plans.NAMESPACE,
        "name": plans.SERVICE,
        "nearest": list(plans.REGIONS),
    }
    ends = time.monotonic() + seconds
    while True:
        try:
            await client.ask("POST", "mesh/services/", body)
            return
        except Refused:
            if time.monotonic() > ends:
                raise
        await asyncio.sleep(1.0)
