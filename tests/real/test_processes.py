"""Programs started for tests end with the tests, whatever ends those."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real.processes import NotReady, Process, accepts, free_port

STARTS_A_SLEEPER = """
import pathlib, sys
from tests.real.processes import Process
process = Process("sleeper", ["sleep", "600"], pathlib.Path(sys.argv[1]) / "log")
process.start()
print(process.pid, flush=True)
sys.stdin.read()
"""


def test_nothing_outlives_a_killed_test_run(tmp_path: Path) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SLEEPER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert runner.stdout is not None
    assert runner.stdin is not None
    sleeper = os.pidfd_open(int(runner.stdout.readline()))
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    # A pidfd becomes readable when its process ends.
    assert select.select([sleeper], [], [], 20)[0] == [sleeper]
    os.close(sleeper)
    runner.stdin.close()
    runner.stdout.close()


def test_stop_kills_what_ignores_polite_signals(tmp_path: Path) -> None:
    stubborn = Process("stubborn", ["sh", "-c", "trap '' TERM; sleep 600"], tmp_path / "log")
    stubborn.start()
    stubborn.stop()
    assert not stubborn.running


def test_a_program_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    process = Process("broken", ["sh", "-c", "echo no such flag; exit 1"], tmp_path / "log")
    process.start()
    with pytest.raises(NotReady, match="no such flag"):
        process.wait_until(lambda: False)
    process.stop()


def test_a_late_program_is_reported(tmp_path: Path) -> None:
    process = Process("late", ["sleep", "600"], tmp_path / "log")
    process.start()
    with pytest.raises(NotReady, match=r"not ready in 0\.05 s"):
        process.wait_until(lambda: False, deadline_seconds=0.05)
    process.stop()


def test_log_tail_begins_at_the_mark_and_leaves_chatter_out(tmp_path: Path) -> None:
    process = Process("x", [], tmp_path / "log")
    process.log.write_text("E1124 old\n")
    process.mark_log()
    with process.log.open("a") as log:
        log.write("I1124 05:06:07 chatter\nE1124 05:06:07 trouble\n")
    assert process.log_tail() == "E1124 05:06:07 trouble"


def test_free_ports_differ_and_are_free() -> None:
    ports = {free_port() for _ in range(50)}
    assert len(ports) == 50
    assert not any(accepts("127.0.0.1", port) for port in ports)
