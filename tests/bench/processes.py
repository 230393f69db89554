"""Child processes of a benchmark: started, watched, ended by their own id."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).parents[2]
START_SECONDS = 20.0
PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    # A benchmark that is killed leaves nothing running.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Processes:
    """All children of one benchmark; leaving the block ends them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[subprocess.Popen[str]] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            self.end(child)

    def start(
        self, *command: str, env: dict[str, str] | None = None, read: bool = False
    ) -> subprocess.Popen[str]:
        """Start a child; `read`: its standard output is wanted. Errors go to a file."""
        name = Path(command[0]).name + "-" + "-".join(command[1:3]).replace("/", "_")
        log = (self.folder / f"{len(self._children)}-{name[:60]}.log").open("w")
        child = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=subprocess.PIPE if read else log,
            stderr=log,
            text=True,
            preexec_fn=_die_with_parent,
        )
        log.close()
        self._children.append(child)
        return child

    def python(
        self, *arguments: str, env: dict[str, str] | None = None, read: bool = False
    ) -> subprocess.Popen[str]:
        """Start a child of this interpreter."""
        return self.start(sys.executable, *arguments, env=env, read=read)

    def end(self, child: subprocess.Popen[str], *, kill: bool = False) -> None:
        """End one child."""
        if child.poll() is None:
            child.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                child.wait(6)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if child.stdout is not None:
            child.stdout.close()
        if child in self._children:
            self._children.remove(child)


def first_line(child: subprocess.Popen[str]) -> str:
    """Return the first line that a child prints: usually its port."""
    assert child.stdout is not None
    line = child.stdout.readline().strip()
    if not line:
        raise RuntimeError(f"{child.args!r} ended with {child.wait()}")
    return line


def wait_until(check: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Return as soon as `check` holds."""
    end = time.monotonic() + seconds
    while not check():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)


def resident_mb(pid: int) -> float:
    """Return a process's resident memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
