"""Say why a rollout waits: one sentence for each blocked step, since when, until when. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from deployments.domain import statuses as word
from deployments.domain.rollout import RolloutFacts, TargetFacts, WaveFacts, current_wave
from deployments.domain.sentences import Sentence
from fleet_portal.common.text import N_


@dataclass(frozen=True)
class Wait:
    """`until`: when it ends at the latest, by success or by failure; None: no end is known."""

    sentence: Sentence
    since: datetime | None = None
    until: datetime | None = None
    cluster: str = ""


def explain(rollout: RolloutFacts) -> list[Wait]:
    """Return what holds the rollout now; empty when nothing does."""
    waits: list[Wait] = []
    if rollout.state == word.PAUSED:
        waits.append(Wait(Sentence(N_("Stopped by hand. Resume to go on.")), rollout.since))
    elif rollout.state == word.HALTED:
        text = N_(
            "Halted, because more clusters failed than are allowed. %(message)s Correct the cause"
            " and resume, go back to an earlier revision, or abort."
        )
        waits.append(Wait(Sentence(text, {"message": rollout.message}), rollout.since))
    elif rollout.state == word.SUCCEEDED:
        return [_deferred(target) for wave in rollout.waves for target in _away(wave)]
    elif rollout.state != word.RUNNING:
        return []
    wave = current_wave(rollout.waves)
    if wave is None:
        return waits
    for target in wave.targets:
        wait = _of_target(target, wave, rollout.deadline_seconds)
        if wait is not None:
            waits.append(wait)
    if wave.targets and all(target.state == word.DEFERRED for target in wave.targets):
        text = N_("Every cluster of wave “%(wave)s” is away: the wave waits for one to return.")
        waits.append(Wait(Sentence(text, {"wave": wave.name}), wave.since))
    return waits + _later(rollout, wave)


def _away(wave: WaveFacts) -> list[TargetFacts]:
    return [target for target in wave.targets if target.state == word.DEFERRED]


def _deferred(target: TargetFacts) -> Wait:
    text = N_("%(cluster)s is away and gets it when it is back.")
    since = target.away_since or target.since
    return Wait(Sentence(text, {"cluster": target.cluster}), since, None, target.cluster)


def _of_target(target: TargetFacts, wave: WaveFacts, deadline_seconds: float) -> Wait | None:
    if target.state == word.DEFERRED:
        return _deferred(target)
    if target.state == word.HEALTHY:
        since = target.healthy_since or target.since
        until = since + timedelta(seconds=wave.soak_seconds)
        text = N_("%(cluster)s is healthy and must stay so for %(seconds)g seconds.")
        params = {"cluster": target.cluster, "seconds": wave.soak_seconds}
        return Wait(Sentence(text, params), since, until, target.cluster)
    if target.state not in (word.DISPATCHED, word.APPLIED):
        return None
    since = target.dispatched_at or target.since
    until = since + timedelta(seconds=deadline_seconds)
    return Wait(_working(target), since, until, target.cluster)


def _working(target: TargetFacts) -> Sentence:
    params = {
        "cluster": target.cluster,
        "ready": target.ready,
        "desired": target.desired,
        "message": target.message,
    }
    if target.removal:
        return Sentence(N_("%(cluster)s is removing the application."), params)
    if target.observed_digest != target.digest:
        return Sentence(N_("%(cluster)s has not confirmed that it took the content."), params)
    if target.message:
        text = N_("%(cluster)s is not healthy yet (%(ready)d of %(desired)d ready): %(message)s")
        return Sentence(text, params)
    text = N_("%(cluster)s is not healthy yet: %(ready)d of %(desired)d ready.")
    return Sentence(text, params)


def _later(rollout: RolloutFacts, current: WaveFacts) -> list[Wait]:
    text = N_("Wave “%(wave)s” waits for wave “%(before)s”.")
    later = [wave for wave in rollout.waves if wave.number > current.number]
    before = [current, *later]
    return [
        Wait(Sentence(text, {"wave": wave.name, "before": earlier.name}), current.since)
        for wave, earlier in zip(later, before, strict=False)
    ]
