"""The tests' own network namespace."""

import shutil
import subprocess
import sys

import pytest

from tests.real import netns

SERVES = """
import socket
server = socket.create_server(("10.240.1.2", 80))
socket.create_connection(("10.240.1.2", 80)).close()
socket.create_server(("127.0.0.1", 0)).close()
"""


@pytest.mark.skipif(shutil.which("ip") is None, reason="needs: apt-get install -y iproute2")
def test_pod_addresses_and_loopback_work_inside() -> None:
    entered = netns.command_inside([sys.executable, "-c", SERVES])
    subprocess.run(entered, check=True, timeout=30)


def test_clusters_get_networks_of_their_own() -> None:
    assert netns.next_pod_cidr() != netns.next_pod_cidr()


def test_parallel_workers_get_different_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def taken(worker: str) -> set[str]:
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        return {netns.next_pod_cidr() for _ in range(8)}

    assert not taken("gw0") & taken("gw3")
