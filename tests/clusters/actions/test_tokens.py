from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from clusters import actions
from clusters.models import JoinToken, PersonToken, SpentProof
from tests.clusters.conftest import Announced
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_only_the_hash_of_a_persons_token_is_kept() -> None:
    token, expires_at = actions.mint_person_token(make_user())
    row = PersonToken.objects.get()
    assert token.startswith("fpt_")
    assert token not in row.token_hash
    assert timedelta(minutes=14) < expires_at - timezone.now() <= timedelta(minutes=15)


def test_a_proof_is_taken_once() -> None:
    ends = timezone.now() + timedelta(minutes=1)
    assert actions.spend_proof("j1", ends)
    assert not actions.spend_proof("j1", ends)
    assert actions.spend_proof("j2", ends)


def test_what_has_ended_is_forgotten(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    actions.mint_person_token(make_user())
    actions.spend_proof("j1", timezone.now())
    join = actions.register_cluster(actor="test", name="a")
    later = timezone.now() + timedelta(hours=1)
    with django_capture_on_commit_callbacks(execute=True):
        actions.drop_expired(later)
    assert not PersonToken.objects.exists()
    assert not SpentProof.objects.exists()
    assert bytes(JoinToken.objects.get().sealed) == b""
    assert announced.named() == {str(join.cluster.pk)}


def test_what_has_not_ended_stays(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    actions.register_cluster(actor="test", name="a")
    with django_capture_on_commit_callbacks(execute=True):
        actions.drop_expired(timezone.now())
    assert bytes(JoinToken.objects.get().sealed)
    assert announced.messages == []
