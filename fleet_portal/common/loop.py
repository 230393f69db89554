"""The one main loop of the controller role: steps that run every so often or when woken.

A step observes, plans and records; it may repeat safely. A step that fails is logged and tried
again at the next turn: it never stops the others. Each loop has a thread of its own.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import close_old_connections, connections

logger = logging.getLogger(__name__)


@dataclass
class Loop:
    """`step` runs every `every_seconds`, and at once after `wake()`."""

    name: str
    every_seconds: float
    step: Callable[[], None]
    woken: threading.Event = field(default_factory=threading.Event)
    last_success: float = 0.0
    failures: int = 0

    def run_once(self) -> bool:
        """Run one step; return whether it went well."""
        close_old_connections()
        try:
            self.step()
        except Exception:  # the edge of a loop: the next turn sees the same rows again
            self.failures += 1
            logger.exception("loop %s failed; it runs again in %gs", self.name, self.every_seconds)
            return False
        finally:
            close_old_connections()
        self.last_success = time.time()
        self.failures = 0
        return True

    def run(self, stopped: threading.Event) -> None:
        """Run until `stopped` is set."""
        try:
            while not stopped.is_set():
                self.woken.clear()
                self.run_once()
                self.woken.wait(self.every_seconds)
        finally:
            connections.close_all()


_running: dict[str, Loop] = {}


def wake(name: str) -> None:
    """Hint that there is work for the loop `name`; without such a loop here nothing happens."""
    loop = _running.get(name)
    if loop is not None:
        loop.woken.set()


class LoopRunner:
    """Run loops in threads until `stop()`."""

    def __init__(self, loops: list[Loop]) -> None:
        self.loops = loops
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for loop in self.loops:
            _running[loop.name] = loop
            thread = threading.Thread(
                target=loop.run, args=(self._stopped,), name=f"loop-{loop.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        self._stopped.set()
        for loop in self.loops:
            _running.pop(loop.name, None)
            loop.woken.set()
        for thread in self._threads:
            thread.join(timeout_seconds)
