"""What the tests of clusters share: what was announced, and what gateways were told."""

from typing import Any

import pytest


class Announced:
    """Every message that reached the channel layer, and every word to the gateways."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str]]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []

    def named(self, kind: str = "cluster") -> set[str]:
        return {key for of_kind, keys in self.messages if of_kind == kind for key in keys}

    def words(self, name: str) -> list[dict[str, Any]]:
        return [body for told, body in self.told if told == name]


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> Announced:
    """Collects what goes out after commit; use with `django_capture_on_commit_callbacks`."""
    found = Announced()
    monkeypatch.setattr(
        "fleet_portal.common.live.topics._send",
        lambda kind, keys: found.messages.append((kind, keys)),
    )
    monkeypatch.setattr(
        "clusters.actions.events.tell_gateways",
        lambda name, body: found.told.append((name, body)),
    )
    return found
