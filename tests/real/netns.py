"""A network namespace of the tests' own, in which simulated Pods have addresses that answer.

    python -m tests.real.netns -- pytest -m "real or e2e"

runs the command in a fresh network namespace: loopback is up, and all of `POD_NETWORK` is local,
so a server can bind to any Pod's own address. API servers refuse loopback addresses as endpoints,
which is why this is needed. Inside there is no other network: whatever the command needs must be
built and installed before. Without root a user namespace is used that keeps the user's own id.
"""

import argparse
import ipaddress
import itertools
import os
import shutil
import sys

POD_NETWORK = ipaddress.ip_network("10.192.0.0/10")
_NETWORKS_EACH = 8
_taken = itertools.count()
_INSIDE = "FLEET_TEST_NETNS"
_SETUP = f'ip link set lo up && ip route add local {POD_NETWORK} dev lo && exec "$@"'


def inside() -> bool:
    """Say whether this process runs in such a namespace."""
    return os.environ.get(_INSIDE) == "1"


def how_to_enter() -> str:
    return "needs Pod addresses that answer; run it by: python -m tests.real.netns -- pytest …"


def next_pod_cidr() -> str:
    """Return a Pod network for one more cluster; parallel pytest workers get different ones.

    Each worker has eight and takes them in turn.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    networks = list(POD_NETWORK.subnets(new_prefix=16))
    return str(networks[(worker * _NETWORKS_EACH + next(_taken) % _NETWORKS_EACH) % len(networks)])


def command_inside(command: list[str]) -> list[str]:
    """Return the command that runs `command` in a fresh namespace."""
    rights = [] if os.geteuid() == 0 else ["--map-current-user", "--keep-caps"]
    return ["unshare", *rights, "--net", "--", "sh", "-c", _SETUP, "sh", *command]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND …")
    command = parser.parse_args().command
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        parser.error("a command is needed")
    for tool, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(tool) is None:
            print(f"{tool} is missing. Install it with: apt-get install -y {package}")
            return 1
    argv = command if inside() else command_inside(command)
    os.execvpe(argv[0], argv, {**os.environ, _INSIDE: "1"})  # noqa: S606 - becomes it


if __name__ == "__main__":
    sys.exit(main())
