import json
from pathlib import Path

import pytest

from clusters.gateway.counters import LINES_AT_ONCE, AccessLine, AccessLog, Counters


def line() -> AccessLine:
    return AccessLine(1.5, "r-1", "10.0.0.1", "GET", 200, 0.01, 5, person="ada")


def test_lines_are_written_when_flushed(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path))
    log.add(line())
    assert path.read_text() == ""
    log.close()
    assert json.loads(path.read_text())["person"] == "ada"


def test_the_log_is_for_one_user(tmp_path: Path) -> None:
    AccessLog(str(tmp_path / "access.log")).close()
    assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600


def test_a_full_file_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusters.gateway.counters.FILE_MAX", 100)
    log = AccessLog(str(tmp_path / "access.log"))
    for _ in range(3):
        log.add(line())
        log.flush()
    log.close()
    assert (tmp_path / "access.log").read_text() == ""
    assert len((tmp_path / "access.log.1").read_text().splitlines()) == 1


def test_many_lines_do_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path))
    for _ in range(LINES_AT_ONCE):
        log.add(line())
    assert len(path.read_text().splitlines()) == LINES_AT_ONCE
    log.close()


def test_without_a_target_nothing_is_kept() -> None:
    log = AccessLog("")
    log.add(line())
    log.close()


def test_metrics_are_prometheus_text() -> None:
    counters = Counters()
    counters.answers[2] += 3
    text = counters.metrics(2, 1, True).decode()
    assert "# TYPE fleet_gateway_carriers gauge\nfleet_gateway_carriers 2\n" in text
    assert 'fleet_gateway_answers_total{code="2xx"} 3\n' in text
    assert "fleet_gateway_link_up 1\n" in text
