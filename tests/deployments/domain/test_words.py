"""A whole is as good as its worst part."""

import pytest

from deployments.domain.words import (
    HEALTH_FROM_BEST,
    SYNC_FROM_BEST,
    Health,
    Sync,
    worst_health,
    worst_sync,
)


def test_every_word_has_its_place() -> None:
    assert set(HEALTH_FROM_BEST) == set(Health)
    assert set(SYNC_FROM_BEST) == set(Sync)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], Health.HEALTHY),
        ([Health.HEALTHY, Health.PROGRESSING], Health.PROGRESSING),
        ([Health.UNKNOWN, Health.PROGRESSING], Health.UNKNOWN),
        ([Health.FAILED, Health.DEGRADED, Health.UNKNOWN], Health.FAILED),
        ([Health.SUSPENDED, Health.HEALTHY], Health.SUSPENDED),
    ],
)
def test_worst_health(parts: list[Health], whole: Health) -> None:
    assert worst_health(parts) is whole


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([], Sync.SYNCED),
        ([Sync.SYNCED, Sync.APPLYING], Sync.APPLYING),
        ([Sync.BLOCKED, Sync.WAITING_FOR_API, Sync.PENDING], Sync.BLOCKED),
    ],
)
def test_worst_sync(parts: list[Sync], whole: Sync) -> None:
    assert worst_sync(parts) is whole
