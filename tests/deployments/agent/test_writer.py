"""One object, written: by whom, in which order, what is remembered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from clusters.agent.kube import ApiConflict
from clusters.domain.objects import canonical_json, digest_of, ref_of
from deployments.agent.desired import WantedObject
from deployments.agent.inventory import Inventory
from deployments.agent.item import Decision, Do, Item, View
from deployments.agent.pods import PodTroubles
from deployments.agent.store import Store
from deployments.agent.watcher import Sight, Watcher
from deployments.agent.writer import ContentMismatch, Surroundings, Writer
from deployments.domain.drift import REPLICAS, Drift
from deployments.domain.ownership import Owner, Standing
from deployments.domain.prune import Record
from deployments.domain.words import Sync
from tests.deployments.agent.conftest import config_map, deployment
from tests.deployments.agent.fake_kube import FakeKube

OWNER = Owner("shop", "web")


class Desk:
    """A writer, and the content it finds."""

    def __init__(self, kube: FakeKube) -> None:
        self.content: dict[str, bytes] = {}
        self.inventory = Inventory(Store(kube), "shop", {})
        self.around = Surroundings(
            kube=kube,
            project="shop",
            inventory=self.inventory,
            watcher=Watcher(kube, "shop", lambda _: None, lambda _: None),
            pods=PodTroubles(kube, "shop", lambda _: None),
            calls=asyncio.Semaphore(8),
            content=self.content.__getitem__,
            has_content=self.content.__contains__,
            on_step=lambda: None,
            clock=lambda: 100.0,
        )
        self.writer = Writer(self.around)

    def item(self, obj: dict[str, Any], replicas: int | None = None) -> Item:
        data = canonical_json(obj)
        self.content[digest_of(data)] = data
        return Item(WantedObject(ref_of(obj), digest_of(data), replicas), OWNER, 1)

    async def write(
        self,
        item: Item,
        live: dict[str, Any] | None = None,
        standing: Standing = Standing.ABSENT,
        sight: Sight = Sight.WATCHING,
        **decision: Any,
    ) -> None:
        item.decision = Decision(**{"do": Do.APPLY, "sync": Sync.APPLYING, **decision})
        await self.writer.write(item, View(live, sight, "", standing))


@pytest.fixture
async def desk(kube: FakeKube) -> AsyncIterator[Desk]:
    made = Desk(kube)
    yield made
    await made.around.watcher.close()


def managers(obj: dict[str, Any] | None) -> list[str]:
    assert obj is not None
    return [entry["manager"] for entry in obj["metadata"]["managedFields"]]


async def test_a_new_object_is_recorded_as_made_here(desk: Desk, kube: FakeKube) -> None:
    item = desk.item(config_map())
    await desk.write(item)
    assert item.applied == item.input
    assert desk.inventory.records[item.wanted.ref.id] == Record("web", "v1", "uid-1", created=True)


async def test_a_count_comes_with_the_object_and_then_has_its_own_manager(
    desk: Desk, kube: FakeKube
) -> None:
    item = desk.item(deployment(), replicas=3)
    await desk.write(item)
    found = kube.find("Deployment", "web")
    assert managers(found) == ["fleet-portal", "fleet-portal-replicas"]
    assert found is not None
    assert found["spec"]["replicas"] == 3
    assert item.spec_baseline is not None
    assert REPLICAS not in item.spec_baseline.values


async def test_a_live_object_gets_its_count_before_its_content(desk: Desk, kube: FakeKube) -> None:
    item = desk.item(deployment(), replicas=3)
    await desk.write(item)
    live = kube.find("Deployment", "web")
    kube.calls.clear()
    newer = desk.item(deployment(image="web:2"), replicas=4)
    await desk.write(newer, live, Standing.CREATED)
    found = kube.find("Deployment", "web")
    assert found is not None
    assert found["spec"]["replicas"] == 4
    assert len(kube.calls) == 2


async def test_scaling_sends_the_count_alone(desk: Desk, kube: FakeKube) -> None:
    item = desk.item(deployment(), replicas=3)
    await desk.write(item)
    live = kube.find("Deployment", "web")
    kube.calls.clear()
    item.wanted = WantedObject(item.wanted.ref, item.wanted.digest, 5)
    await desk.write(item, live, Standing.CREATED, do=Do.SCALE)
    assert len(kube.calls) == 1
    assert item.applied == item.input


async def test_a_count_that_the_portal_lets_go_is_judged_no_more(
    desk: Desk, kube: FakeKube
) -> None:
    item = desk.item(deployment(), replicas=3)
    await desk.write(item)
    item.wanted = WantedObject(item.wanted.ref, item.wanted.digest, None)
    await desk.write(item, kube.find("Deployment", "web"), Standing.CREATED)
    assert item.replicas_baseline is None


@pytest.mark.parametrize(
    ("standing", "sight"),
    [(Standing.ADOPTED, Sight.WATCHING), (Standing.ABSENT, Sight.REFUSED)],
    ids=["adopted", "not seen"],
)
async def test_what_we_did_not_make_is_not_forced(
    desk: Desk, kube: FakeKube, standing: Standing, sight: Sight
) -> None:
    await kube.apply(config_map(colour="theirs"), field_manager="kubectl")
    live = kube.find("ConfigMap", "settings") if standing is Standing.ADOPTED else None
    item = desk.item(config_map(colour="ours"))
    with pytest.raises(ApiConflict, match="kubectl"):
        await desk.write(item, live, standing, sight)
    assert item.applied is None


async def test_what_we_made_is_forced(desk: Desk, kube: FakeKube) -> None:
    item = desk.item(config_map(colour="ours"))
    await desk.write(item)
    await kube.edit("ConfigMap", "settings", "data.colour", "theirs")
    live = kube.find("ConfigMap", "settings")
    await desk.write(item, live, Standing.CREATED, drift=(Drift("data.colour", "kubectl"),))
    found = kube.find("ConfigMap", "settings")
    assert found is not None
    assert found["data"] == {"colour": "ours"}
    assert item.repaired_at == 100.0
    assert item.paces["data.colour"].repairs == 1


@pytest.mark.parametrize(
    "content", [b"{}", canonical_json(config_map("other")), canonical_json(deployment())]
)
async def test_content_that_is_another_object_is_refused(
    desk: Desk, kube: FakeKube, content: bytes
) -> None:
    item = desk.item(config_map())
    desk.content[item.wanted.digest] = content
    with pytest.raises(ContentMismatch):
        await desk.write(item)
    assert kube.objects == {}
