"""What share of a caller's requests Envoy sends to each place: its load formulae, in integers.

Sources: envoyproxy/envoy `source/extensions/load_balancing_policies/common/load_balancer_impl.cc`
(`distributeLoad`, `recalculatePerPriorityState`, `recalculateLoadInTotalPanic`) and
`locality_wrr.cc`. Overprovisioning is 140, the value Istio never changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mesh.domain.envoy import EnvoyCluster, Locality

OVERPROVISIONING = 140


@dataclass(frozen=True)
class Level:
    """Hosts of one priority by health; `excluded` hosts are draining and count for nothing."""

    total: int
    healthy: int
    degraded: int = 0
    excluded: int = 0

    @property
    def counted(self) -> int:
        return self.total - self.excluded


def priority_loads(
    levels: Sequence[Level], panic_threshold: int = 50, overprovisioning: int = OVERPROVISIONING
) -> list[int]:
    """Return the per cent of requests that each priority gets; all zero when nobody can serve."""
    health = [_share(level.healthy, level, overprovisioning) for level in levels]
    degraded = [_share(level.degraded, level, overprovisioning) for level in levels]
    total = min(100, sum(health) + sum(degraded))
    if panic_threshold and all(
        _panics(level, total, panic_threshold) for level in levels if level.total
    ):
        return _spread_over_all(levels)
    if total == 0:
        return [0] * len(levels)
    left, loads = 100, [0] * len(levels)
    for shares in (health, degraded):
        for index, share in enumerate(shares):
            load = min(left, share * 100 // total)
            loads[index] += load
            left -= load
    if left:
        first = next(i for i, _ in enumerate(levels) if health[i] or degraded[i])
        loads[first] += left
    return loads


def _share(count: int, level: Level, overprovisioning: int) -> int:
    return min(100, overprovisioning * count // level.counted) if level.counted else 0


def _panics(level: Level, total: int, threshold: int) -> bool:
    """Tell whether a level ignores health; levels never do while the whole can take 100 %."""
    if total >= 100:
        return False
    usable = level.healthy + level.degraded
    return 100 * usable < threshold * max(level.counted, 1)


def _spread_over_all(levels: Sequence[Level]) -> list[int]:
    hosts = sum(level.total for level in levels)
    if not hosts:
        return [0] * len(levels)
    loads = [100 * level.total // hosts for level in levels]
    first = next(index for index, level in enumerate(levels) if level.total)
    loads[first] += 100 - sum(loads)
    return loads


def split_by_region(cluster: EnvoyCluster) -> dict[str, float]:
    """Return region -> per cent of the caller's requests, from the hosts' health as known now.

    The values sum to 100, or the result is empty when no host can serve.
    """
    by_priority: dict[int, list[Locality]] = defaultdict(list)
    for locality in cluster.localities:
        by_priority[locality.priority].append(locality)
    priorities = sorted(by_priority)
    levels = [_level(by_priority[priority]) for priority in priorities]
    threshold = 50 if cluster.panic_threshold is None else cluster.panic_threshold
    split: dict[str, float] = defaultdict(float)
    for priority, load in zip(priorities, priority_loads(levels, threshold), strict=True):
        if load:
            shares = _within(by_priority[priority], cluster.locality_weighted)
            for region, share in shares.items():
                split[region] += load * share
    return {region: round(share, 2) for region, share in split.items()}


def _level(localities: Sequence[Locality]) -> Level:
    hosts = [host for locality in localities for host in locality.hosts]
    return Level(len(hosts), sum(host.healthy for host in hosts))


def _within(localities: Sequence[Locality], weighted: bool) -> dict[str, float]:
    """Return region -> share (0 to 1) inside one priority; in panic all hosts count alike."""
    in_panic = not any(host.healthy for place in localities for host in place.hosts)
    shares: dict[str, float] = defaultdict(float)
    for place in localities:
        usable = [host for host in place.hosts if host.healthy or in_panic]
        if not usable:
            continue
        if weighted:
            ratio = OVERPROVISIONING / 100 * len(usable) / len(place.hosts)
            shares[place.region] += place.weight * min(1.0, ratio)
        else:
            shares[place.region] += sum(host.weight for host in usable)
    total = sum(shares.values())
    return {region: share / total for region, share in shares.items()} if total else {}
