"""The loopback addresses of a demo: every cluster has a /16 of its own inside 127.0.0.0/8.

Linux answers on all of 127.0.0.0/8 without any set-up. A demo claims ten such networks by holding
one port, so that two demos on one machine don't meet.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass

GATEWAY_PORT = 15443
CALLER_PORT = 15001
ADMIN_PORT = 15000
PROMETHEUS_PORT = 9090
_CLAIM_PORT = 15999
_FIRST, _LAST, _WIDTH = 100, 240, 10


class NoNetworkLeft(RuntimeError):
    """Every network for a demo is held by another one, or loopback has only 127.0.0.1."""


@dataclass(frozen=True, slots=True)
class ClusterNetwork:
    """The addresses of one cluster. Pods are at .1.1 and above."""

    second: int

    def _address(self, last: int) -> str:
        return f"127.{self.second}.0.{last}"

    @property
    def node(self) -> str:
        return self._address(1)

    @property
    def gateway(self) -> str:
        return self._address(2)

    @property
    def proxy(self) -> str:
        return self._address(3)

    @property
    def prometheus(self) -> str:
        return self._address(4)

    def pod(self, number: int) -> str:
        """Return the address of the Pod with this number; they repeat after 62,000 Pods."""
        high, low = divmod(number, 250)
        return f"127.{self.second}.{1 + high % 250}.{low + 1}"


class Claim:
    """Holds ten networks until closed."""

    def __init__(self) -> None:
        self._held: socket.socket | None = None
        self.first = 0
        for first in range(_FIRST, _LAST, _WIDTH):
            held = socket.socket()
            try:
                held.bind((f"127.{first}.0.1", _CLAIM_PORT))
            except OSError:
                held.close()
                continue
            self._held, self.first = held, first
            return
        raise NoNetworkLeft(
            "No addresses in 127.0.0.0/8 are free for the demo: stop another demo, or run it on "
            "Linux."
        )

    def network(self, number: int) -> ClusterNetwork:
        """Return the network of the cluster with this number, 0 to 9."""
        return ClusterNetwork(self.first + number)

    def close(self) -> None:
        if self._held is not None:
            with contextlib.suppress(OSError):
                self._held.close()
            self._held = None
