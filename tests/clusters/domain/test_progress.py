from dataclasses import replace
from datetime import UTC, datetime

import pytest

from clusters.domain.progress import JoinFacts, is_ready, join_steps, was_ready

AT = datetime(2026, 1, 1, tzinfo=UTC)
NEW = JoinFacts(None, None, None, False, "", "", None, None, None)
FETCHED = replace(NEW, fetched_at=AT)
REACHED = replace(FETCHED, reached_at=AT)
TUNNEL = replace(REACHED, connected_at=AT, is_there=True)
FOUND = replace(TUNNEL, server_version="v1.36.3", inventory_at=AT, region="eu")
PASSED = replace(FOUND, access_passed=True, access_tested_at=AT)


def words(facts: JoinFacts) -> list[str]:
    return [step.status for step in join_steps(facts)]


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (NEW, ["now", "later", "later", "later", "later"]),
        (FETCHED, ["done", "now", "later", "later", "later"]),
        (REACHED, ["done", "done", "now", "later", "later"]),
        (TUNNEL, ["done", "done", "done", "now", "later"]),
        (replace(FOUND, region=""), ["done", "done", "done", "now", "later"]),
        (FOUND, ["done", "done", "done", "done", "now"]),
        (replace(FOUND, access_passed=False), ["done", "done", "done", "done", "failed"]),
        (PASSED, ["done"] * 5),
        (replace(PASSED, is_there=False), ["done", "done", "now", "done", "done"]),
        # An agent that was installed by other means never fetched the manifest.
        (replace(PASSED, fetched_at=None), ["done"] * 5),
    ],
)
def test_steps_advance(facts: JoinFacts, expected: list[str]) -> None:
    assert words(facts) == expected


def test_only_the_step_that_is_waited_for_has_a_hint() -> None:
    hints = [bool(step.hint) for step in join_steps(REACHED)]
    assert hints == [False, False, True, False, False]


def test_a_missing_region_is_asked_for() -> None:
    step = join_steps(replace(FOUND, region=""))[3]
    assert "name the region" in step.hint


def test_ready_is_all_done() -> None:
    assert is_ready(join_steps(PASSED))
    assert not is_ready(join_steps(FOUND))


@pytest.mark.parametrize(
    ("facts", "was"),
    [
        (replace(PASSED, is_there=False), True),
        (PASSED, False),
        (REACHED, False),
        (replace(PASSED, is_there=False, access_passed=False), False),
    ],
)
def test_a_ready_cluster_that_is_away_is_not_joining(facts: JoinFacts, was: bool) -> None:
    assert was_ready(join_steps(facts)) is was
