"""The inventory: intents first, many changes in few writes."""

import asyncio

from clusters.domain.objects import ObjectId, ObjectRef
from deployments.agent.inventory import Inventory, decode_records
from deployments.agent.store import Store
from deployments.domain.prune import Record
from tests.deployments.agent.fake_kube import FakeKube


def ref(name: str) -> ObjectRef:
    return ObjectRef(ObjectId("", "ConfigMap", "app", name), "v1")


def make(kube: FakeKube) -> Inventory:
    return Inventory(Store(kube), "shop", {})


async def kept(kube: FakeKube) -> dict[ObjectId, Record]:
    found = (await Store(kube).load()).inventories
    return decode_records(found["shop"]) if found else {}


async def test_an_intent_is_written_before_anything_is_made(kube: FakeKube) -> None:
    await make(kube).intend("web", [ref("a")])
    assert await kept(kube) == {ref("a").id: Record("web", "v1")}


async def test_an_intent_for_what_is_recorded_changes_nothing(kube: FakeKube) -> None:
    inventory = make(kube)
    inventory.note(ref("a").id, Record("web", "v1", "u1", created=True))
    await inventory.flush()
    before = len(kube.calls)
    await inventory.intend("api", [ref("a")])
    assert len(kube.calls) == before


async def test_many_intents_at_once_share_writes(kube: FakeKube) -> None:
    inventory = make(kube)
    await asyncio.gather(*(inventory.intend("web", [ref(str(n))]) for n in range(20)))
    writes = [call for call in kube.calls if call[0] == "create"]
    assert len(writes) <= 2
    assert len(await kept(kube)) == 20


async def test_what_is_noted_is_written_with_the_next_flush(kube: FakeKube) -> None:
    inventory = make(kube)
    record = Record("web", "v1", "u1", created=True, finished="sha256:x")
    inventory.note(ref("a").id, record)
    before = inventory.dirty
    await inventory.flush()
    assert (before, inventory.dirty) == (True, False)
    assert await kept(kube) == {ref("a").id: record}


async def test_a_job_that_has_run_is_remembered(kube: FakeKube) -> None:
    inventory = make(kube)
    inventory.note(ref("a").id, Record("web", "v1", "u1", created=True))
    inventory.note_finished(ref("a").id, "sha256:x")
    assert inventory.records[ref("a").id].finished == "sha256:x"


async def test_an_empty_inventory_keeps_no_secret(kube: FakeKube) -> None:
    inventory = make(kube)
    await inventory.intend("web", [ref("a")])
    inventory.forget(ref("a").id)
    await inventory.flush()
    assert kube.objects == {}
