from typing import Any

import pytest

from clusters.actions.events import add_event, hash_token, tell_after_commit
from clusters.models import ClusterEvent
from tests.clusters.conftest import Announced
from tests.factories import make_cluster

pytestmark = pytest.mark.django_db


def test_events_are_cut_to_their_column() -> None:
    cluster = make_cluster("a")
    add_event(cluster, "moved", "x" * 300)
    add_event(cluster.pk, "lost")
    assert [(event.kind, len(event.message)) for event in ClusterEvent.objects.all()] == [
        ("lost", 0),
        ("moved", 255),
    ]


def test_gateways_are_told_once_the_rows_are_there(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=False) as callbacks:
        tell_after_commit("flush", {"cluster": "a"})
    assert announced.told == []
    callbacks[0]()
    assert announced.told == [("flush", {"cluster": "a"})]


def test_a_hash_is_the_same_for_the_same_token() -> None:
    assert hash_token("a") == hash_token("a") != hash_token("b")
    assert len(hash_token("a")) == 64
