"""One application, step by step, on a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clusters.agent.kube import ApiConflict, ApiInvalid, ApiUnreachable
from clusters.domain.objects import canonical_json, digest_of, parse_id
from deployments.agent.application import RESYNC_SECONDS, ApplicationWorker
from deployments.agent.desired import WantedApplication, read_desired_set
from deployments.agent.inventory import Inventory
from deployments.agent.pods import PodTroubles
from deployments.agent.store import Store
from deployments.agent.watcher import Watcher
from deployments.agent.writer import Surroundings
from deployments.domain.words import Health, Reason, Sync
from tests.deployments.agent.conftest import UID, application, claims, config_map, deployment
from tests.deployments.agent.fake_kube import CREATED_AT, FakeKube

START = 2_000_000_000.0
SETTINGS = parse_id("/ConfigMap/app/settings")


class Bench:
    """A worker whose steps are taken by hand."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.now = START
        self.content: dict[str, bytes] = {}
        self.changed = asyncio.Event()
        self.around = Surroundings(
            kube=kube,
            project="shop",
            inventory=Inventory(Store(kube), "shop", {}),
            watcher=Watcher(kube, "shop", lambda _: self.changed.set(), lambda _: None),
            pods=PodTroubles(kube, "shop", lambda _: None),
            calls=asyncio.Semaphore(8),
            content=self.content.__getitem__,
            has_content=self.content.__contains__,
            on_step=lambda: None,
            clock=lambda: self.now,
        )
        self.worker = ApplicationWorker(self.around, WantedApplication("web", 1, "", ()))

    def want(self, *objects: dict[str, Any], **options: Any) -> None:
        for obj in objects:
            data = canonical_json(obj)
            self.content[digest_of(data)] = data
        desired = read_desired_set(claims(application(*objects, **options)), "", UID)
        self.worker.want(desired.applications[0], {})
        self.around.watcher.look_at(item.scope for item in self.worker.items.values())

    async def step(self, *, after: float = 0) -> float:
        self.now += after
        return await self.worker.step() - self.now

    async def seen(self) -> None:
        """Return when the watch has told of a change made by hand."""
        async with asyncio.timeout(5):
            await self.changed.wait()

    async def by_hand(self, change: Any) -> None:
        self.changed.clear()
        await change
        await self.seen()

    def sync(self, name: str = "settings") -> Sync:
        found = [i for key, i in self.worker.items.items() if key.name == name]
        return found[0].decision.sync

    def writes(self) -> int:
        return sum(1 for verb, _, _ in self.kube.calls if verb == "patch")


@pytest.fixture
async def bench(kube: FakeKube) -> AsyncIterator[Bench]:
    made = Bench(kube)
    yield made
    await made.around.watcher.close()


async def test_objects_are_applied_phase_by_phase(bench: Bench, kube: FakeKube) -> None:
    service = {**config_map("web"), "kind": "Service"}
    bench.want(deployment(), service, config_map())
    await bench.step()
    applied = [kind for verb, kind, _ in kube.calls if verb == "patch"]
    assert applied == ["ConfigMap", "Service", "Deployment"]


async def test_with_everything_in_place_it_looks_again_in_a_minute(bench: Bench) -> None:
    bench.want(config_map())
    assert await bench.step() == RESYNC_SECONDS
    before = bench.writes()
    assert await bench.step(after=60) == RESYNC_SECONDS
    assert bench.writes() == before


async def test_intents_are_written_before_objects(bench: Bench, kube: FakeKube) -> None:
    bench.want(config_map())
    await bench.step()
    verbs = [verb for verb, kind, _ in kube.calls if kind in ("Secret", "ConfigMap")]
    assert verbs.index("create") < verbs.index("patch")


async def test_a_refused_object_is_tried_again_ever_more_slowly(
    bench: Bench, kube: FakeKube
) -> None:
    kube.refusals["patch", "ConfigMap"] = ApiUnreachable("away")
    bench.want(config_map())
    waits = [await bench.step()]
    for _ in range(3):
        waits.append(await bench.step(after=waits[-1]))
    assert waits == sorted(waits)
    assert bench.writes() == 4
    assert bench.sync() is Sync.APPLYING


async def test_a_refused_object_holds_up_no_other(bench: Bench, kube: FakeKube) -> None:
    kube.refusals["patch", "ConfigMap"] = ApiInvalid("wrong", status=422)
    bench.want(config_map(), deployment())
    await bench.step()
    assert bench.sync() is Sync.BLOCKED
    assert kube.find("Deployment", "web") is not None


async def test_a_wait_that_the_api_asks_for_is_kept(bench: Bench, kube: FakeKube) -> None:
    error = ApiUnreachable("slow down", status=503, retry_after_seconds=40)
    kube.refusals["patch", "ConfigMap"] = error
    bench.want(config_map())
    assert await bench.step() >= 36


async def test_a_stale_write_is_told_as_a_conflict(bench: Bench, kube: FakeKube) -> None:
    kube.refusals["patch", "ConfigMap"] = ApiConflict("someone else", status=409)
    bench.want(config_map())
    await bench.step()
    refusal = bench.worker.items[SETTINGS].refusal
    assert refusal is not None
    assert refusal.reason is Reason.CONFLICT


async def test_rights_that_come_are_used_at_once(bench: Bench, kube: FakeKube) -> None:
    kube.refuse("patch", "ConfigMap")
    bench.want(config_map())
    await bench.step()
    kube.allow_everything()
    bench.worker.kind_became_visible()
    await bench.step()
    assert bench.sync() is Sync.SYNCED


async def test_a_field_that_is_fought_over_becomes_contested(bench: Bench, kube: FakeKube) -> None:
    bench.want(config_map(colour="red"))
    await bench.step()
    for _ in range(3):
        await bench.by_hand(kube.edit("ConfigMap", "settings", "data.colour", "green", "robot"))
        await bench.step(after=10)
    await bench.by_hand(kube.edit("ConfigMap", "settings", "data.colour", "green", "robot"))
    before = bench.writes()
    wait = await bench.step(after=1)
    assert bench.sync() is Sync.CONTESTED
    assert "robot" in bench.worker.items[SETTINGS].decision.message
    assert bench.writes() == before
    await bench.step(after=wait)
    assert bench.writes() == before + 1


async def test_health_waits_for_content_that_is_applied(bench: Bench) -> None:
    bench.want(config_map())
    bench.content.clear()
    await bench.step()
    assert bench.sync() is Sync.PENDING
    assert bench.worker.healthy_since is None


async def test_since_when_it_is_healthy_is_kept(bench: Bench) -> None:
    bench.want(config_map())
    await bench.step()
    await bench.step(after=30)
    assert bench.worker.healthy_since == START


async def test_a_new_digest_begins_its_health_anew(bench: Bench) -> None:
    bench.want(config_map())
    await bench.step()
    bench.now += 30
    bench.want(config_map(colour="green"), revision=2)
    await bench.step()
    assert bench.worker.healthy_since == START + 30


async def test_a_job_that_has_run_and_was_cleaned_up_is_not_run_again(
    bench: Bench, kube: FakeKube
) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "once", "namespace": "app"},
        "spec": {"ttlSecondsAfterFinished": 1},
    }
    bench.want(job)
    await bench.step()
    complete = [{"type": "Complete", "status": "True"}]
    await bench.by_hand(kube.set_status("Job", "once", conditions=complete))
    await bench.step()
    await bench.by_hand(kube.remove("Job", "once"))
    before = bench.writes()
    await bench.step(after=60)
    assert bench.writes() == before
    assert bench.sync("once") is Sync.SYNCED


async def test_objects_of_a_kind_that_comes_with_the_set_follow_it(
    bench: Bench, kube: FakeKube
) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com"},
    }
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "app"},
    }
    kube.unknown_kinds.add("Widget")
    bench.want(definition, widget)
    await bench.step()
    assert bench.sync("w") is Sync.WAITING_FOR_API
    kube.unknown_kinds.clear()
    established = [{"type": "Established", "status": "True"}]
    name = "widgets.example.com"
    obj = kube.objects["apiextensions.k8s.io/v1", "CustomResourceDefinition", "", name]
    await bench.by_hand(kube.update({**obj, "status": {"conditions": established}}))
    await bench.step()
    await bench.step()
    assert bench.sync("w") is Sync.SYNCED


async def test_what_was_only_intended_is_forgotten_when_wanted_no_more(
    bench: Bench, kube: FakeKube
) -> None:
    kube.refuse("patch", "ConfigMap")
    bench.want(config_map(), deployment())
    await bench.step()
    bench.want(deployment())
    assert SETTINGS not in bench.around.inventory.records


async def test_a_custom_object_that_says_nothing_is_looked_at_again(
    bench: Bench, kube: FakeKube
) -> None:
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "w", "namespace": "app"},
    }
    bench.now = 1_767_225_600.0 + 4  # four seconds after the fake's CREATED_AT
    assert CREATED_AT == "2026-01-01T00:00:00Z"
    bench.want(widget)
    assert await bench.step() == pytest.approx(6)
    await bench.step(after=6)
    assert bench.worker.items[parse_id("example.com/Widget/app/w")].verdict.health is Health.HEALTHY
