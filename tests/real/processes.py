"""Starts programs for tests so that none outlives the test run.

Every program gets SIGKILL from the kernel when the thread that started it ends, so all are
started by one thread that lives as long as this Python does. Each is the head of its own
process group and writes to its own log file.
"""

import functools
import os
import pwd
import random
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Below Linux's range of ports for outgoing connections (32768 and up): a program that is stopped
# and started again finds its port free.
_PORTS = range(20_000, 32_000)
_POLL_SECONDS = 0.02
# Lines that say nothing about a failure: INFO in klog's, JSON's and Istio's forms.
_CHATTER = re.compile(r'^I\d{4} |"level":"(INFO|info)"|\tinfo\t')

RUNNING: list["Process"] = []


class NotReady(Exception):
    """A program ended, or did not get ready before its deadline."""


class Process:
    """One running program.

    `user`: run as this user, for programs that refuse root.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._arguments = [str(argument) for argument in arguments]
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._user = user
        self._log_mark = 0
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._popen = _spawner().submit(self._spawn).result()
        RUNNING.append(self)

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = ["setpriv", *as_user(self._user), "--pdeathsig=KILL", "--", *self._arguments]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self._folder,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        assert self._popen is not None
        return self._popen.pid

    def stop(self, by: signal.Signals = signal.SIGKILL) -> None:
        """Kill it with its group and wait: a graceful end outlives a restart on the same port."""
        if self._popen is not None:
            if self.running:
                os.killpg(self._popen.pid, by)
            self._popen.wait()
            self._popen = None
            RUNNING.remove(self)

    def pause(self) -> None:
        """Freeze it: it keeps its connections and answers nothing."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)

    def mark_log(self) -> None:
        """Leave out of `log_tail` what was logged up to now."""
        self._log_mark = self.log.stat().st_size if self.log.exists() else 0

    def log_tail(self, lines: int = 40) -> str:
        """Return the log's last lines since the mark, without chatter."""
        if not self.log.exists():
            return ""
        found = self.log.read_bytes()[self._log_mark :].decode(errors="replace").splitlines()
        wanted = [line[:400] for line in found if not _CHATTER.search(line)]
        return "\n".join(wanted[-lines:])

    def wait_until(self, ready: Callable[[], bool], deadline_seconds: float = 30) -> None:
        """Wait until `ready()`; raise NotReady with the log's end when it ends or is late."""
        ends = time.monotonic() + deadline_seconds
        while not ready():
            if not self.running:
                raise NotReady(f"{self.name} ended at once.\n{self.log_tail()}")
            if time.monotonic() > ends:
                raise NotReady(
                    f"{self.name} was not ready in {deadline_seconds} s.\n{self.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)


def as_user(user: str | None) -> list[str]:
    """Return the arguments by which setpriv becomes this user."""
    if user is None:
        return []
    entry = pwd.getpwnam(user)
    return [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


@functools.cache
def _spawner() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")


_given_ports: set[int] = set()
_given_ports_lock = threading.Lock()


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port nobody listens on, never the same twice in one process."""
    with _given_ports_lock:
        while True:
            port = random.choice(_PORTS)  # noqa: S311 - a port is no secret
            if port not in _given_ports and _is_free(address, port):
                _given_ports.add(port)
                return port


def _is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True


def accepts(address: str, port: int) -> bool:
    """Say whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0
