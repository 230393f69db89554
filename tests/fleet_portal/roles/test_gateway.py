import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from fleet_portal.roles import gateway
from fleet_portal.roles.gateway import GatewayProcess, gateway_environment


@pytest.fixture(autouse=True)
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = (tmp_path / "cert.pem", tmp_path / "key.pem")
    monkeypatch.setattr(gateway, "ensure_gateway_certificate", lambda: paths)


def test_the_gateway_is_given_no_secret(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setenv("FLEET_SECRET_KEY", "secret")
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgres://user:secret@db/x")
    assert "secret" not in "".join(gateway_environment().values())


class Started:
    """Popen that starts a patient child instead of a gateway and remembers it."""

    def __init__(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []

    def __call__(self, command: list[str], **options: object) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.children.append(child)
        return child


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    children = Started()
    real = subprocess.Popen

    class Module:
        Popen = children
        TimeoutExpired = subprocess.TimeoutExpired

    monkeypatch.setattr(gateway, "subprocess", Module)
    monkeypatch.setattr(gateway, "FIRST_WAIT_SECONDS", 0.01)
    yield children
    for child in children.children:
        assert isinstance(child, real)
        child.kill()
        child.wait()
        if child.stdin:
            child.stdin.close()


def wait_for(condition: "object", process: GatewayProcess) -> None:
    import time

    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return
        process._stopped.wait(0.02)
    raise AssertionError("it did not happen")


def test_a_gateway_that_dies_is_started_again(started: Started) -> None:
    process = GatewayProcess()
    process.start()
    wait_for(lambda: len(started.children) == 1, process)
    os.kill(started.children[0].pid, signal.SIGKILL)
    wait_for(lambda: len(started.children) == 2, process)
    process.stop()


def test_stopping_ends_the_child(started: Started) -> None:
    process = GatewayProcess()
    process.start()
    wait_for(lambda: len(started.children) == 1, process)
    process.stop()
    assert started.children[0].poll() is not None
