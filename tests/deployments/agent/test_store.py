"""What is kept in Secrets, and what survives an interruption."""

import gzip
import random

import pytest

from clusters.agent.kube import ApiUnreachable
from deployments.agent.store import CONTENT, INVENTORIES, PART_BYTES, SETS, Store
from tests.deployments.agent.fake_kube import FakeKube, secret_data


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def names(kube: FakeKube) -> list[str]:
    return sorted(key[3] for key in kube.objects)


async def test_a_volume_is_read_back(kube: FakeKube) -> None:
    store = Store(kube)
    await store.save_volume(SETS, "shop", b"the set")
    await store.save_volume(INVENTORIES, "shop", b"the inventory")
    kept = await Store(kube).load()
    assert kept.sets == {"shop": b"the set"}
    assert kept.inventories == {"shop": b"the inventory"}


async def test_only_the_newest_generation_stays(kube: FakeKube) -> None:
    store = Store(kube)
    for text in (b"one", b"two", b"three"):
        await store.save_volume(SETS, "shop", text)
    assert names(kube) == ["fleet-set-shop-3-0"]
    assert (await Store(kube).load()).sets == {"shop": b"three"}


async def test_a_large_volume_is_cut_into_parts(kube: FakeKube) -> None:
    data = noise(2 * PART_BYTES)
    await Store(kube).save_volume(SETS, "shop", data)
    assert len(kube.objects) == 3
    assert all(len(secret_data(obj)["part"]) <= PART_BYTES for obj in kube.objects.values())
    assert (await Store(kube).load()).sets["shop"] == data


async def test_a_half_written_generation_does_not_count(kube: FakeKube) -> None:
    store = Store(kube)
    await store.save_volume(SETS, "shop", b"old")
    await store.save_volume(SETS, "shop", noise(2 * PART_BYTES))
    await store.save_volume(SETS, "shop", noise(2 * PART_BYTES, 2))
    await kube.remove("Secret", "fleet-set-shop-3-1", "fleet-system")
    assert (await Store(kube).load()).sets == {}
    assert names(kube) == []


async def test_the_old_generation_stays_until_the_new_one_is_whole(kube: FakeKube) -> None:
    store = Store(kube)
    await store.save_volume(SETS, "shop", b"old")
    kube.refuse("create", "Secret")
    with pytest.raises(Exception, match="forbidden"):
        await store.save_volume(SETS, "shop", b"new")
    assert (await Store(kube).load()).sets == {"shop": b"old"}


async def test_a_failed_write_never_shares_a_name_with_the_next(kube: FakeKube) -> None:
    store = Store(kube)
    kube.refusals["create", "Secret"] = ApiUnreachable("away")
    with pytest.raises(ApiUnreachable):
        await store.save_volume(SETS, "shop", b"one")
    kube.allow_everything()
    await store.save_volume(SETS, "shop", b"two")
    assert names(kube) == ["fleet-set-shop-2-0"]


async def test_a_removal_that_was_cut_off_is_made_up_for(kube: FakeKube) -> None:
    store = Store(kube)
    await store.save_volume(SETS, "shop", b"one")
    kube.refuse("delete", "Secret")
    with pytest.raises(Exception, match="forbidden"):
        await store.drop_volume(SETS, "shop")
    kube.allow_everything()
    await store.drop_volume(SETS, "shop")
    assert names(kube) == []


async def test_older_generations_are_removed_on_load(kube: FakeKube) -> None:
    store = Store(kube)
    await store.save_volume(SETS, "shop", b"one")
    kube.refuse("delete", "Secret")
    with pytest.raises(Exception, match="forbidden"):
        await store.save_volume(SETS, "shop", b"two")
    kube.allow_everything()
    assert (await Store(kube).load()).sets == {"shop": b"two"}
    assert names(kube) == ["fleet-set-shop-2-0"]


async def test_content_is_read_back(kube: FakeKube) -> None:
    store = Store(kube)
    blobs = {f"sha256:{number:064x}": gzip.compress(b"{}") for number in range(3)}
    for digest, packed in blobs.items():
        await store.save_content(digest, packed)
    assert (await Store(kube).load()).content == blobs


async def test_content_beyond_a_secret_is_cut(kube: FakeKube) -> None:
    packed = noise(PART_BYTES + 10)
    await Store(kube).save_content("sha256:" + "a" * 64, packed)
    assert len(kube.objects) == 2
    assert (await Store(kube).load()).content == {"sha256:" + "a" * 64: packed}


async def test_content_that_is_not_needed_goes(kube: FakeKube) -> None:
    store = Store(kube)
    content = {"sha256:" + letter * 64: letter.encode() for letter in "ab"}
    for digest, packed in content.items():
        await store.save_content(digest, packed)
    needed = {"sha256:" + "a" * 64}
    await store.drop_content(needed, content)
    assert (await Store(kube).load()).content.keys() == needed


async def test_a_pack_that_is_mostly_needed_stays_as_it_is(kube: FakeKube) -> None:
    store = Store(kube)
    content = {"sha256:" + letter * 64: letter.encode() for letter in "abc"}
    await store._write_packs(content)
    before = names(kube)
    await store.drop_content(sorted(content)[:2], content)
    assert names(kube) == before


async def test_a_pack_that_is_mostly_not_needed_is_written_anew(kube: FakeKube) -> None:
    store = Store(kube)
    content = {"sha256:" + letter * 64: letter.encode() for letter in "abc"}
    await store._write_packs(content)
    needed = sorted(content)[:1]
    await store.drop_content(needed, content)
    assert len(kube.objects) == 1
    assert list((await Store(kube).load()).content) == needed


async def test_secrets_of_others_are_left_alone(kube: FakeKube) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "fleet-agent-identity", "namespace": "fleet-system"},
    }
    await kube.create(secret)
    assert (await Store(kube).load()).content == {}
    assert names(kube) == ["fleet-agent-identity"]


async def test_a_failed_write_of_content_is_not_forgotten(kube: FakeKube) -> None:
    store = Store(kube)
    digest = "sha256:" + "a" * 64
    kube.refusals["create", "Secret"] = ApiUnreachable("away")
    with pytest.raises(ApiUnreachable):
        await store.save_content(digest, b"x")
    kube.allow_everything()
    await store.save_content(digest, b"x")
    assert (await Store(kube).load()).content == {digest: b"x"}
    assert next(iter(kube.objects.values()))["metadata"]["labels"] == {
        "fleet-portal.io/kept": CONTENT
    }
