"""Runs a command beside a throwaway server: the command line of `postgres.py` and `redis.py`."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from tests.real.processes import NotReady


class Server(Protocol):
    def environment(self) -> dict[str, str]:
        """Return the settings by which the portal finds this server."""
        ...


def run_with(
    make: Callable[[], AbstractContextManager[Server]],
    description: str,
    arguments: list[str] | None = None,
) -> int:
    """Run the command after `--` with the server's settings; return its exit status."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND …")
    command = parser.parse_args(arguments).command
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        parser.error("a command is needed")
    try:
        with make() as server:
            environment = {**os.environ, **server.environment()}
            return subprocess.run(command, env=environment, check=False).returncode
    except NotReady as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
