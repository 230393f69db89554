"""Which agents are connected, by cluster: where requests find a carrier, or wait for one.

A cluster may have several carriers (replicas of its agent). All of them come from the cluster
with the same uid; an instance that dials again takes the place of its older carrier.
"""

import asyncio
from collections.abc import Iterator
from typing import Generic, Protocol, TypeVar

CARRIERS_PER_CLUSTER = 4


class CarrierLike(Protocol):
    """What the registry needs to know of a carrier."""

    cluster: str
    cluster_uid: str
    instance: str

    @property
    def silent(self) -> bool:
        """Whether nothing was heard from it for a while."""

    @property
    def open_streams(self) -> int:
        """How many requests are on it."""


Carrier = TypeVar("Carrier", bound=CarrierLike)


class Conflict(Exception):
    """Another cluster is connected under this name."""


class Registry(Generic[Carrier]):
    """Carriers by their cluster's name."""

    def __init__(self) -> None:
        self._carriers: dict[str, list[Carrier]] = {}
        self._waiters: dict[str, set[asyncio.Future[None]]] = {}

    def __iter__(self) -> Iterator[Carrier]:
        for carriers in list(self._carriers.values()):
            yield from list(carriers)

    @property
    def clusters(self) -> int:
        """How many clusters have a carrier."""
        return len(self._carriers)

    def of(self, cluster: str) -> list[Carrier]:
        """Return the cluster's carriers."""
        return list(self._carriers.get(cluster, ()))

    def add(self, carrier: Carrier) -> list[Carrier]:
        """Add a carrier; return those whose place it takes. Raises Conflict.

        Replaced are older carriers of the same instance, and the oldest beyond the limit.
        """
        carriers = self._carriers.setdefault(carrier.cluster, [])
        if any(other.cluster_uid != carrier.cluster_uid for other in carriers):
            raise Conflict(carrier.cluster)
        replaced = [other for other in carriers if other.instance == carrier.instance]
        others = [other for other in carriers if other.instance != carrier.instance]
        replaced += others[: max(0, len(others) + 1 - CARRIERS_PER_CLUSTER)]
        carriers[:] = [other for other in carriers if other not in replaced] + [carrier]
        self.wake(carrier.cluster)
        return replaced

    def wake(self, cluster: str) -> None:
        """Let waiting requests look again: a carrier came, or a silent one spoke."""
        for waiter in self._waiters.pop(cluster, ()):
            if not waiter.done():
                waiter.set_result(None)

    def remove(self, carrier: Carrier) -> bool:
        """Forget a carrier; False when it was replaced before."""
        carriers = self._carriers.get(carrier.cluster, [])
        known = carrier in carriers
        if known:
            carriers.remove(carrier)
        if not carriers:
            self._carriers.pop(carrier.cluster, None)
        return known

    def pick(self, cluster: str) -> Carrier | None:
        """Return the carrier for a new request: of those that speak, the one with least to do."""
        speaking = [carrier for carrier in self._carriers.get(cluster, ()) if not carrier.silent]
        if len(speaking) > 1:
            return min(speaking, key=lambda carrier: carrier.open_streams)
        return speaking[0] if speaking else None

    async def wait(self, cluster: str, seconds: float) -> Carrier | None:
        """Return a carrier as soon as there is one, None after `seconds`."""
        if carrier := self.pick(cluster):
            return carrier
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(cluster, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            return None
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiters.get(cluster) is waiters:
                del self._waiters[cluster]
        return self.pick(cluster)
