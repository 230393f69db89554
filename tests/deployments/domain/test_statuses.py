from deployments.domain import statuses
from deployments.domain.words import Health, Reason, Sync


def test_every_word_an_agent_reports_has_a_face() -> None:
    assert all(word.value in statuses.SYNC for word in Sync)
    assert all(word.value in statuses.HEALTH for word in Health)


def test_every_reason_has_words() -> None:
    assert {reason.value for reason in Reason if reason.value} <= set(statuses.REASONS)


def test_a_tone_never_stands_alone() -> None:
    for words in (statuses.SYNC, statuses.HEALTH, statuses.ROLLOUT, statuses.WAVE_TARGET):
        shapes: dict[str, set[str]] = {}
        for word in words:
            shapes.setdefault(word.tone, set()).add(word.shape)
        assert not shapes.get("ok", set()) & shapes.get("bad", set())
