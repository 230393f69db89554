"""Joins a simulated cluster to the portal as a person would: by the printed command.

Where curl and kubectl are installed, that very command is run with the cluster's administrator
credentials; elsewhere the manifest is fetched over the pinned connection and applied by REST.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import ssl
import urllib.parse
from typing import Any

import aiohttp
import msgspec
import yaml

from clusters.agent.config import parse_pins
from clusters.agent.portal_tls import PinnedKey, context_for
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.cluster import SimulatedCluster
from fleet_portal.demo.plans import NAMESPACE, PROJECT, labels_of
from fleet_portal.demo.portal import Client, DemoFailed

_APPLY_SECONDS = 60.0


async def register(client: Client, cluster: SimulatedCluster) -> str:
    """Register a cluster and return the join command that the portal prints."""
    plan = cluster.plan
    answer = await client.ask(
        "POST",
        "clusters/",
        {
            "name": plan.name,
            "region": plan.region,
            "labels": labels_of(plan),
            "mode": "manage",
            "scopes": {PROJECT: [NAMESPACE]},
        },
    )
    return str(answer["command"])


async def run_command(cluster: SimulatedCluster, command: str) -> None:
    """Run the join command against a cluster. Raises DemoFailed where it fails."""
    if shutil.which("kubectl") and shutil.which("curl") and shutil.which("bash"):
        await _run_shell(cluster, command)
    else:
        await _apply_by_rest(cluster, command)


async def _run_shell(cluster: SimulatedCluster, command: str) -> None:
    cache = cluster.folder / f"kubectl-{cluster.plan.name}"
    environment = {
        **os.environ,
        "KUBECONFIG": str(cluster.admin_kubeconfig()),
        "KUBECACHEDIR": str(cache),
    }
    process = await asyncio.create_subprocess_exec(
        "bash", "-o", "pipefail", "-c", command,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )  # fmt: skip
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _APPLY_SECONDS)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    if process.returncode:
        said = output.decode(errors="replace").strip()
        raise DemoFailed(f"{cluster.plan.name} could not be joined:\n{said}")


async def _apply_by_rest(cluster: SimulatedCluster, command: str) -> None:
    address = re.search(r"https://\S+", command)
    pins = re.search(r"--pinnedpubkey '([^']+)'", command)
    if address is None:
        raise DemoFailed(f"The portal printed a command without an address: {command}")
    text = await _fetch(address[0], pins[1] if pins else "")
    trust = ssl.create_default_context(cadata=cluster.certificate)
    headers = {"Authorization": f"Bearer {cluster.server.tokens.admin}"}
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as session:
        for obj in yaml.safe_load_all(text):
            if obj:
                await _apply_one(session, cluster.address, obj)


async def _fetch(address: str, pins: str) -> str:
    held = parse_pins(pins.replace(";", ","))
    tls: Any = PinnedKey(held) if held else context_for(held)
    async with aiohttp.ClientSession() as session, session.get(address, ssl=tls) as answer:
        answer.raise_for_status()
        return await answer.text()


async def _apply_one(session: aiohttp.ClientSession, server: str, obj: dict[str, Any]) -> None:
    group = obj["apiVersion"].rpartition("/")[0]
    resource = BY_KIND[group, obj["kind"]]
    metadata = obj["metadata"]
    scope = f"/namespaces/{metadata['namespace']}" if resource.namespaced else ""
    path = f"{resource.root}{scope}/{resource.plural}/{metadata['name']}"
    query = urllib.parse.urlencode({"fieldManager": "kubectl", "force": "true"})
    headers = {"Content-Type": "application/apply-patch+yaml"}
    async with session.patch(
        f"{server}{path}?{query}", data=msgspec.json.encode(obj), headers=headers
    ) as answer:
        if answer.status >= 400:
            raise DemoFailed(f"{obj['kind']} {metadata['name']}: {await answer.text()}")
