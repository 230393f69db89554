"""Which word holds, by what the row says and the time now."""

from datetime import UTC, datetime, timedelta

import pytest

from clusters.domain.liveness import TunnelFacts, is_heard, judge_liveness, needs_refresh

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def facts(
    state: str,
    seen: float | None = 1,
    away: float | None = None,
    api: bool | None = True,
    once: bool = True,
) -> TunnelFacts:
    return TunnelFacts(
        tunnel_state=state,
        connected_once=once,
        last_frame_at=None if seen is None else ago(seen),
        away_since=None if away is None else ago(away),
        api_reachable=api,
        api_since=ago(7),
    )


@pytest.mark.parametrize(
    ("given", "status", "since"),
    [
        (facts("pending", seen=None, once=False), "pending", None),
        (facts("connected"), "connected", None),
        (facts("connected", api=None), "connected", None),
        (facts("connected", seen=89), "connected", None),
        (facts("connected", api=False), "api-unreachable", 7),
        (facts("connected", seen=90), "silent", 90),
        (facts("connected", seen=149, api=False), "silent", 149),
        (facts("connected", seen=150), "lost", 150),
        (facts("silent", seen=16, away=16), "silent", 16),
        (facts("silent", seen=30, away=16, api=False), "silent", 16),
        (facts("silent", seen=60, away=60), "lost", 60),
        (facts("silent", seen=None, away=None), "lost", None),
        (facts("lost", seen=61, away=61), "lost", 61),
        (facts("lost", seen=5000, away=None), "lost", 5000),
    ],
)
def test_the_word_that_holds(given: TunnelFacts, status: str, since: float | None) -> None:
    judged = judge_liveness(given, NOW)
    assert judged.status == status
    assert judged.since == (None if since is None else ago(since))


@pytest.mark.parametrize(
    ("state", "there", "away"),
    [("connected", True, False), ("silent", False, True), ("lost", False, True)],
)
def test_there_and_away(state: str, there: bool, away: bool) -> None:
    judged = judge_liveness(facts(state, away=1), NOW)
    assert (judged.is_there, judged.is_away) == (there, away)


def test_an_unreachable_api_is_neither_there_nor_away() -> None:
    judged = judge_liveness(facts("connected", api=False), NOW)
    assert (judged.is_there, judged.is_away) == (False, False)


@pytest.mark.parametrize(("stored", "due"), [(None, True), (9, False), (10, True), (600, True)])
def test_a_young_last_seen_time_is_kept(stored: float | None, due: bool) -> None:
    assert needs_refresh(None if stored is None else ago(stored), NOW) is due


@pytest.mark.parametrize("connected", range(1, 60, 7))
def test_a_carrier_that_speaks_stays_connected_whenever_it_came(connected: int) -> None:
    start = NOW - timedelta(seconds=connected)
    stored = start
    for second in range(1, 300):
        now = start + timedelta(seconds=second)
        judged = judge_liveness(TunnelFacts("connected", True, stored, None, True, None), now)
        assert judged.is_there, f"second {second}"
        told, heard = (now - NOW).total_seconds() % 60 == 0, now - timedelta(seconds=5)
        if told and needs_refresh(stored, heard):
            stored = heard


@pytest.mark.parametrize(("age", "heard"), [(0, True), (14, True), (15, False)])
def test_a_carrier_is_heard_for_fifteen_seconds(age: float, heard: bool) -> None:
    assert is_heard(ago(age), NOW) is heard
