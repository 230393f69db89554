from typing import Any

import pytest
from channels.layers import get_channel_layer
from django.db import transaction

from fleet_portal.common.live import topics
from fleet_portal.common.live.topics import announce


class Recorder:
    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent.append((group, message))


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(topics, "get_channel_layer", lambda: recorder)
    return recorder


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_before_commit(layer: Recorder) -> None:
    with transaction.atomic():
        announce("cluster", 42)
        assert layer.sent == []
    assert layer.sent == [
        ("live.cluster", {"type": "live.changed", "kind": "cluster", "keys": ["42"]})
    ]


@pytest.mark.django_db(transaction=True)
def test_nothing_is_said_of_a_change_that_was_rolled_back(layer: Recorder) -> None:
    with transaction.atomic():
        announce("cluster", 42)
        transaction.set_rollback(True)
    assert layer.sent == []


@pytest.mark.django_db(transaction=True)
def test_a_layer_that_is_down_does_not_undo_the_change(monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        async def group_send(self, group: str, message: dict[str, Any]) -> None:
            raise ConnectionError("no Redis")

    monkeypatch.setattr(topics, "get_channel_layer", Down)
    announce("cluster", 42)


def test_the_layer_of_one_process_needs_no_server() -> None:
    assert get_channel_layer() is not None
