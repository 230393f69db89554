"""Leases and outcomes: a lane that slept past its lease changes nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import actions
from deployments.actions.sending import FAILED, SENT, STALE, VERIFIED, Outcome
from deployments.models import DesiredSet, Target
from tests.deployments.factories import make_application, make_connected_cluster, make_rollout

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def held() -> DesiredSet:
    make_connected_cluster("eu-1")
    actions.advance_rollout(make_rollout(make_application()).pk, timezone.now())
    return DesiredSet.objects.get()


def claim(held: DesiredSet, owner: str, seconds: float = 0) -> DesiredSet | None:
    found = actions.claim_sets([held.pk], owner, NOW + timedelta(seconds=seconds))
    return found[0] if found else None


def end(row: DesiredSet | None, kind: str, owner: str = "a", **values: object) -> None:
    assert row is not None
    actions.note_outcomes([Outcome(row, kind, **values)], owner, NOW)  # type: ignore[arg-type]


def test_one_owner_at_a_time(held: DesiredSet) -> None:
    assert claim(held, "a") is not None
    assert claim(held, "b") is None
    assert claim(held, "a") is not None


def test_a_delivery_gives_the_lease_back_under_the_same_epoch(held: DesiredSet) -> None:
    row = claim(held, "a")
    end(row, SENT)
    again = claim(held, "b")
    assert row is not None
    assert again is not None
    assert again.epoch == row.epoch


def test_a_lease_that_ran_out_is_taken_over_with_a_new_epoch(held: DesiredSet) -> None:
    first, second = claim(held, "a"), claim(held, "b", 61)
    assert first is not None
    assert second is not None
    assert second.epoch == first.epoch + 1


def test_a_late_answer_of_the_former_owner_is_dropped(held: DesiredSet) -> None:
    first = claim(held, "a")
    claim(held, "b", 61)
    end(first, SENT)
    row = DesiredSet.objects.get()
    assert (row.acked_sequence, row.lease_owner) == (0, "b")


def test_an_acknowledgement_tells_the_targets(held: DesiredSet) -> None:
    end(claim(held, "a"), SENT, digest="sha256:x")
    assert Target.objects.get().sync == "dispatched"
    assert DesiredSet.objects.get().digest == "sha256:x"
    assert not DesiredSet.objects.filter(DesiredSet.DIRTY).exists()


def test_a_change_while_sending_keeps_it_dirty(held: DesiredSet) -> None:
    row = claim(held, "a")
    assert row is not None
    DesiredSet.objects.update(sequence=row.sequence + 1)
    Target.objects.update(sequence=row.sequence + 1)
    end(row, SENT)
    assert DesiredSet.objects.filter(DesiredSet.DIRTY).exists()
    assert Target.objects.get().sync == "pending"


def test_a_failure_is_kept_with_its_time(held: DesiredSet) -> None:
    later = NOW + timedelta(seconds=2)
    end(claim(held, "a"), FAILED, reason="Transport", message="nobody answers", retry_at=later)
    held.refresh_from_db()
    assert (held.attempts, held.message, held.retry_at) == (1, "nobody answers", later)


def test_a_newer_agent_is_overtaken(held: DesiredSet) -> None:
    end(claim(held, "a"), STALE, epoch=7)
    assert DesiredSet.objects.get().epoch == 8


def test_an_agent_that_has_it_already_is_noted(held: DesiredSet) -> None:
    end(claim(held, "a"), VERIFIED)
    row = DesiredSet.objects.get()
    assert (row.acked_session, row.acked_sequence) == ("s1", 0)
