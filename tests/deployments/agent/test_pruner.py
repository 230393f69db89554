"""Removal, as far as it goes, and why it does not go further."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from clusters.agent.kube import ApiUnreachable
from clusters.domain.objects import ref_of
from deployments.agent.inventory import Inventory
from deployments.agent.pruner import Pruner, scope_of_record
from deployments.agent.store import Store
from deployments.agent.watcher import Watcher
from deployments.domain.ownership import SPEC_MANAGER, Owner, stamp
from deployments.domain.prune import Record
from tests.deployments.agent.conftest import config_map
from tests.deployments.agent.fake_kube import FakeKube


class Yard:
    """A pruner, what is recorded, and a clock."""

    def __init__(self, kube: FakeKube) -> None:
        self.kube = kube
        self.now = 1000.0
        self.inventory = Inventory(Store(kube), "shop", {})
        self.watcher = Watcher(kube, "shop", lambda _: None, lambda _: None)
        self.pruner = Pruner(kube, "shop", self.inventory, self.watcher, lambda: self.now)

    async def made(self, name: str, application: str = "web", *, uid: str | None = None) -> None:
        obj = stamp(config_map(name), Owner("shop", application), 1)
        done = await self.kube.apply(obj, field_manager=SPEC_MANAGER)
        known = done.object["metadata"]["uid"] if uid is None else uid
        record = Record(application, "v1", known, created=bool(known))
        self.inventory.note(ref_of(obj).id, record)

    async def step(
        self, wanted: dict[str, Any] | None = None, *, unready: tuple[str, ...] = ()
    ) -> float | None:
        scopes = {scope_of_record(i, r) for i, r in self.inventory.records.items()}
        self.watcher.look_at(scopes)
        await self.watcher.settled(scopes)
        return await self.pruner.step(wanted or {}, frozenset(unready))

    def there(self) -> list[str]:
        return sorted(key[3] for key in self.kube.objects)


@pytest.fixture
async def yard(kube: FakeKube) -> AsyncIterator[Yard]:
    made = Yard(kube)
    yield made
    await made.watcher.close()


async def test_what_nobody_wants_goes(yard: Yard) -> None:
    await yard.made("a")
    await yard.made("b")
    assert await yard.step({"web": (ref_of(config_map("b")).id,)}) is None
    assert yard.there() == ["b"]


async def test_leftovers_of_an_application_that_is_not_ready_stay(yard: Yard) -> None:
    await yard.made("a")
    await yard.step({"web": ()}, unready=("web",))
    assert yard.there() == ["a"]


async def test_what_is_gone_is_forgotten(yard: Yard) -> None:
    await yard.made("a")
    await yard.kube.remove("ConfigMap", "a")
    await yard.step()
    assert yard.inventory.records == {}
    assert yard.pruner.leftovers(()) == {}


async def test_an_intent_that_came_true_is_removed(yard: Yard) -> None:
    await yard.made("a", uid="")
    await yard.step()
    assert yard.there() == []


async def test_a_refused_removal_says_why_and_waits(yard: Yard) -> None:
    await yard.made("a")
    yard.kube.refuse("delete", "ConfigMap", "cannot delete")
    due = await yard.step()
    assert due is not None
    assert due > yard.now
    identity = ref_of(config_map("a")).id
    assert yard.pruner.leftovers(()) == {identity: "cannot delete"}
    calls = len(yard.kube.calls)
    await yard.step()
    assert len(yard.kube.calls) == calls
    yard.kube.allow_everything()
    yard.now = due
    await yard.step()
    assert yard.there() == []


async def test_where_nothing_can_be_read_the_words_of_the_cluster_say_why(yard: Yard) -> None:
    await yard.made("a")
    yard.kube.refuse("list", "ConfigMap", "cannot list")
    await yard.step()
    assert yard.pruner.leftovers(()) == {ref_of(config_map("a")).id: "cannot list"}


async def test_an_intent_where_nothing_may_be_done_is_forgotten(yard: Yard) -> None:
    await yard.made("a", uid="")
    yard.kube.refuse("list", "ConfigMap")
    await yard.step()
    assert yard.inventory.records == {}


async def test_while_the_api_is_away_nothing_is_forgotten(yard: Yard) -> None:
    await yard.made("a")
    yard.kube.refusals["list", "ConfigMap"] = ApiUnreachable("away")
    await yard.step()
    assert len(yard.inventory.records) == 1
    assert yard.there() == ["a"]
