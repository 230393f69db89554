"""A throwaway PostgreSQL on a fresh loopback port, for the database tests and benches.

    python -m tests.real.postgres -- pytest tests

runs the command with FLEET_DATABASE_URL set and removes everything afterwards. Nothing is synced
to disk. PostgreSQL refuses to run as root, so root runs it as `postgres` or `nobody`.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import psycopg

from tests.real.commands import run_with
from tests.real.processes import NotReady, Process, as_user, free_port

INSTALL = "PostgreSQL is missing. Install it with: apt-get install -y postgresql"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
}


class Postgres:
    """One server with an empty database `fleet`; a context manager."""

    def __init__(self) -> None:
        self._binaries = binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="fleet-postgres-"))
        self._user = _unprivileged_user()
        self.port = free_port()
        self.url = f"postgres://fleet@127.0.0.1:{self.port}/fleet"
        settings = [f"-c{name}={value}" for name, value in {**_SETTINGS, "port": self.port}.items()]
        self._data = self.folder / "data"
        self._process = Process(
            "postgres",
            [self._binaries / "postgres", "-D", self._data, *settings],
            self.folder / "log",
            user=self._user,
        )

    def __enter__(self) -> "Postgres":
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        # Its "immediate" shutdown: the server's children are in process groups of their own.
        self._process.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self) -> None:
        if self._user:
            shutil.chown(self.folder, self._user)
        self._init()
        self._process.start()
        self._process.wait_until(self._answers)
        with psycopg.connect(self._maintenance, autocommit=True) as connection:
            connection.execute("CREATE DATABASE fleet")

    def environment(self) -> dict[str, str]:
        return {"FLEET_DATABASE_URL": self.url}

    @property
    def _maintenance(self) -> str:
        return f"postgres://fleet@127.0.0.1:{self.port}/postgres"

    def _init(self) -> None:
        options = ["--no-sync", "--auth=trust", "--username=fleet", "--encoding=UTF8"]
        initdb = [
            str(self._binaries / "initdb"),
            *options,
            "--locale=C.UTF-8",
            f"--pgdata={self._data}",
        ]
        done = subprocess.run(
            ["setpriv", *as_user(self._user), "--", *initdb],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise NotReady(f"initdb failed.\n{done.stderr}")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._maintenance, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True


def binaries() -> Path:
    """Return the folder of the newest installed PostgreSQL's programs."""
    # Debian keeps each version's programs off PATH.
    installed = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(installed, key=lambda path: int(path.parts[-3]), default=None)
    found = newest or shutil.which("initdb")
    if found is None:
        raise NotReady(INSTALL)
    return Path(found).parent


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in known else "nobody"


if __name__ == "__main__":
    sys.exit(run_with(Postgres, __doc__))
