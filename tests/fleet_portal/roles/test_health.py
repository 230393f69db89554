import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from fleet_portal.common.loop import Loop
from fleet_portal.roles.health import HealthServer, late_loops


def loop(every_seconds: float, last_success: float) -> Loop:
    return Loop("rollouts", every_seconds, lambda: None, last_success=last_success)


@pytest.mark.parametrize(
    ("every_seconds", "silent_seconds", "late"),
    [(5, 20, []), (5, 31, ["rollouts"]), (60, 200, []), (60, 301, ["rollouts"])],
)
def test_a_loop_is_late_after_five_turns(
    every_seconds: float, silent_seconds: float, late: list[str]
) -> None:
    now = 1_000_000.0
    assert late_loops([loop(every_seconds, now - silent_seconds)], now) == late


@pytest.fixture
def server() -> Iterator[HealthServer]:
    server = HealthServer("127.0.0.1:0", [loop(5, 0.0)])
    server.start()
    yield server
    server.stop()


def ask(server: HealthServer, path: str) -> tuple[int, str]:
    host, port = server.address
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_alive_while_the_process_runs(server: HealthServer) -> None:
    assert ask(server, "/healthz") == (200, "ok")


def test_not_ready_while_a_loop_is_late(server: HealthServer) -> None:
    assert ask(server, "/readyz") == (503, "late: rollouts")


def test_figures_for_prometheus(server: HealthServer) -> None:
    assert "python_info" in ask(server, "/metrics")[1]


def test_nothing_else_is_there(server: HealthServer) -> None:
    assert ask(server, "/")[0] == 404
