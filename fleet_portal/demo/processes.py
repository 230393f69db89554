"""Child processes that never outlive the demo, however it ends.

Each child leads a process group of its own, so that a Ctrl-C in the terminal reaches the demo
alone and it can stop its children in order; PR_SET_PDEATHSIG ends them where the demo is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
STOP_SECONDS = 5.0


def _lead_and_die_with_parent() -> None:
    os.setsid()
    # Absent on other systems than Linux: there the group is ended at a regular stop only.
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Child:
    """One running program; its output goes to a log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> Child:
        """Start a program; must be called on the main thread, which PDEATHSIG is tied to."""
        log = folder / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                preexec_fn=_lead_and_die_with_parent,
            )
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def last_words(self, lines: int = 15) -> str:
        """Return the end of what the program wrote."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def ended(self, seconds: float | None = None) -> None:
        """Wait until the program has ended, for some seconds at most."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, seconds)

    async def stop(self) -> None:
        """End the program and its group, kindly first."""
        if self.is_running:
            self._process.terminate()
            await self.ended(STOP_SECONDS)
        # What the program started is in its group still if it ended without cleaning up.
        self.signal(signal.SIGKILL)
        await self.ended(STOP_SECONDS)


async def stop_all(children: Sequence[Child]) -> None:
    """Stop programs side by side."""
    await asyncio.gather(*(child.stop() for child in children))
