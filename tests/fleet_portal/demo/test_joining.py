from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from fleet_portal.demo import joining
from fleet_portal.demo.certificates import server_context
from fleet_portal.demo.cluster import ClusterPlan, SimulatedCluster
from fleet_portal.demo.network import ClusterNetwork
from fleet_portal.demo.portal import DemoFailed

from .conftest import kind

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: fleet-system}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: fleet-agent, namespace: fleet-system}
"""


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[SimulatedCluster]:
    plan = ClusterPlan("eu-1", "eu", ("eu-1-a",), 1, 8, 32)
    made = SimulatedCluster(plan, ClusterNetwork(249), tmp_path)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """Where a portal serves the manifest."""

    async def manifest(_request: web.Request) -> web.Response:
        return web.Response(text=MANIFEST)

    app = web.Application()
    app.router.add_get("/join", manifest)
    runner = web.AppRunner(app)
    await runner.setup()
    context, pem = server_context(tmp_path, "portal")
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    (tmp_path / "portal.crt").write_text(pem)
    yield f"https://127.0.0.1:{runner.addresses[0][1]}/join"
    await runner.cleanup()


def pin(folder: Path) -> str:
    import base64
    import hashlib

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = x509.load_pem_x509_certificate((folder / "portal.crt").read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    return f"sha256//{base64.b64encode(digest.digest()).decode()}"


def command(address: str, pinned: str) -> str:
    return f"curl -fsSk --pinnedpubkey '{pinned}' {address} | kubectl apply -f -"


@pytest.mark.parametrize("tools", [True, False])
async def test_the_printed_command_joins_with_and_without_tools(
    cluster: SimulatedCluster, address: str, tmp_path: Path, monkeypatch, tools: bool
) -> None:
    if not tools:
        monkeypatch.setattr("shutil.which", lambda name: None)
    await joining.run_command(cluster, command(address, pin(tmp_path)))
    assert cluster.store.get(kind("ServiceAccount"), "fleet-system", "fleet-agent")


@pytest.mark.parametrize("tools", [True, False])
async def test_another_key_is_not_trusted(
    cluster: SimulatedCluster, address: str, monkeypatch, tools: bool
) -> None:
    if not tools:
        monkeypatch.setattr("shutil.which", lambda name: None)
    other = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
    with pytest.raises((DemoFailed, OSError)):
        await joining.run_command(cluster, command(address, other))
    assert cluster.store.get(kind("Namespace"), "", "fleet-system") is None
