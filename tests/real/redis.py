"""A throwaway Redis on a fresh loopback port, kept in memory only.

    python -m tests.real.redis -- pytest tests

runs the command with FLEET_REDIS_URL set and stops the server afterwards.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from tests.real.commands import run_with
from tests.real.processes import NotReady, Process, accepts, free_port

INSTALL = "Redis is missing. Install it with: apt-get install -y redis-server"


class Redis:
    """One server; a context manager."""

    def __init__(self) -> None:
        self._program = shutil.which("redis-server")
        if self._program is None:
            raise NotReady(INSTALL)
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-redis-"))
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> "Redis":
        assert self._program is not None
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = Process(
            "redis",
            [self._program, *options, "--appendonly", "no"],
            self.folder / "log",
            folder=self.folder,
        )
        self._process.start()
        self._process.wait_until(lambda: accepts("127.0.0.1", self.port))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self) -> dict[str, str]:
        return {"FLEET_REDIS_URL": self.url}


if __name__ == "__main__":
    sys.exit(run_with(Redis, __doc__))
