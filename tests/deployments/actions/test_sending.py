"""Leases and acknowledgements: a lane that slept past its lease changes nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from deployments import actions
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
    return actions.claim_set(held.pk, owner, NOW + timedelta(seconds=seconds))


def test_one_owner_at_a_time(held: DesiredSet) -> None:
    assert claim(held, "a") is not None
    assert claim(held, "b") is None
    assert claim(held, "a") is not None


def test_a_released_set_is_free_and_keeps_its_epoch(held: DesiredSet) -> None:
    row = claim(held, "a")
    assert row is not None
    actions.release_set(row, "a")
    again = claim(held, "b")
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
    assert first is not None
    actions.note_sent(first, "sha256:x", NOW)
    assert DesiredSet.objects.get().acked_sequence == 0


def test_an_acknowledgement_tells_the_targets(held: DesiredSet) -> None:
    row = claim(held, "a")
    assert row is not None
    actions.note_sent(row, "sha256:x", NOW)
    assert Target.objects.get().sync == "dispatched"
    assert not DesiredSet.objects.filter(DesiredSet.DIRTY).exists()


def test_a_change_while_sending_keeps_it_dirty(held: DesiredSet) -> None:
    row = claim(held, "a")
    assert row is not None
    DesiredSet.objects.update(sequence=row.sequence + 1)
    actions.note_sent(row, "sha256:x", NOW)
    assert DesiredSet.objects.filter(DesiredSet.DIRTY).exists()


def test_a_failure_is_kept_with_its_time(held: DesiredSet) -> None:
    actions.note_failed(held, "Transport", "nobody answers", NOW + timedelta(seconds=2))
    held.refresh_from_db()
    assert (held.attempts, held.message) == (1, "nobody answers")


def test_a_newer_agent_is_overtaken(held: DesiredSet) -> None:
    actions.note_stale(held, 7)
    assert DesiredSet.objects.get().epoch == 8
