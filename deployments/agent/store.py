"""What the agent keeps in its cluster, in Secrets of fleet-system: sets, content, inventory.

With it an agent that starts without the portal goes on where it was. Nothing counts as received
before it is written. Two shapes:
- a *volume* (the signed set of a project, its inventory): gzip, cut into parts, all parts of a
  new generation written before the old generation is removed; on load the newest whole one wins;
- *packs* of content: blobs by digest, each gzipped, as many to a Secret as fit; packs of which
  most is no longer needed are written anew.
A Secret holds 1 MiB; parts stay below with room for the rest of the object.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from clusters.agent.kube import SYSTEM_NAMESPACE, ApiConflict, ApiNotFound, KubeObject
from deployments.agent.ports import KubeApi

PART_BYTES = 900 * 1024
KEPT_LABEL = "fleet-portal.io/kept"
PROJECT_LABEL = "fleet-portal.io/project"
_GENERATION = "fleet-portal.io/generation"
_PART = "fleet-portal.io/part"
SETS, INVENTORIES, CONTENT = "set", "inventory", "content"


@dataclass
class Kept:
    """What was found on load: volumes by project, gzipped blobs by digest."""

    sets: dict[str, bytes] = field(default_factory=dict)
    inventories: dict[str, bytes] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)


@dataclass
class _Volume:
    """The last generation of a volume, and every Secret that may hold a part of any."""

    generation: int = 0
    names: list[str] = field(default_factory=list)


class Store:
    """Reads once, then writes; one per agent."""

    def __init__(self, kube: KubeApi) -> None:
        self._kube = kube
        self._volumes: dict[tuple[str, str], _Volume] = {}
        self._packs: dict[str, list[str]] = {}  # Secret -> keys in it
        self._pending: dict[str, bytes] = {}
        self._packing = asyncio.Lock()

    async def load(self) -> Kept:
        """Return everything kept; leftovers of interrupted writes are removed."""
        listed = await self._kube.list_("v1", "Secret", SYSTEM_NAMESPACE, label_selector=KEPT_LABEL)
        kept = Kept()
        volumes: dict[tuple[str, str, int], dict[int, KubeObject]] = {}
        for secret in listed.items:
            labels = secret["metadata"]["labels"]
            if labels[KEPT_LABEL] == CONTENT:
                self._packs[secret["metadata"]["name"]] = list(_data_of(secret))
            else:
                generation, part = _place_of(secret)
                key = (labels[KEPT_LABEL], labels[PROJECT_LABEL], generation)
                volumes.setdefault(key, {})[part] = secret
        kept.content = _unpacked(_data_of(s) for s in listed.items if _is_content(s))
        for (kind, project, generation), parts in sorted(volumes.items()):
            await self._take(kept, kind, project, generation, parts)
        return kept

    async def save_volume(self, kind: str, project: str, data: bytes) -> None:
        """Write a new generation of a volume, then remove what there was before."""
        volume = self._volumes.setdefault((kind, project), _Volume())
        # Counted up even when the write fails: two tries never share a name.
        volume.generation += 1
        parts = _parts(gzip.compress(data, compresslevel=6, mtime=0))
        stale = list(volume.names)
        for index, part in enumerate(parts):
            name = f"fleet-{kind}-{project}-{volume.generation}-{index}"
            labels = {KEPT_LABEL: kind, PROJECT_LABEL: project}
            notes = {_GENERATION: str(volume.generation), _PART: f"{index}/{len(parts)}"}
            volume.names.append(name)
            await self._write(name, labels, notes, {"part": part})
        await self._forget(volume, stale)

    async def drop_volume(self, kind: str, project: str) -> None:
        """Remove a volume."""
        if volume := self._volumes.get((kind, project)):
            await self._forget(volume, list(volume.names))

    async def save_content(self, digest: str, packed: bytes) -> None:
        """Keep a gzipped blob; many at once share few writes."""
        self._pending[digest] = packed
        async with self._packing:
            batch = self._pending
            if digest not in batch:
                return  # written with an earlier caller's batch
            self._pending = {}
            try:
                await self._write_packs(batch)
            except BaseException:
                self._pending = batch | self._pending
                raise

    async def drop_content(self, needed: Collection[str], content: Mapping[str, bytes]) -> None:
        """Remove packs without needed blobs; write anew those of which most is not needed."""
        async with self._packing:
            for name, keys in list(self._packs.items()):
                digests = {_digest_in(key) for key in keys}
                alive = digests & set(needed)
                if len(alive) * 2 > len(digests):
                    continue
                await self._write_packs({digest: content[digest] for digest in alive})
                self._packs.pop(name)
                await self._remove([name])

    async def _take(
        self, kept: Kept, kind: str, project: str, generation: int, parts: dict[int, KubeObject]
    ) -> None:
        """Use one generation if it is whole; the generations come in rising order."""
        names = [secret["metadata"]["name"] for secret in parts.values()]
        if len(parts) != _parts_of(next(iter(parts.values()))):
            await self._remove(names)
            return
        volume = self._volumes.setdefault((kind, project), _Volume())
        stale = list(volume.names)
        packed = b"".join(_data_of(parts[index])["part"] for index in sorted(parts))
        found = kept.sets if kind == SETS else kept.inventories
        found[project] = gzip.decompress(packed)
        volume.generation = generation
        volume.names += names
        await self._forget(volume, stale)

    async def _write_packs(self, blobs: Mapping[str, bytes]) -> None:
        pack: dict[str, bytes] = {}
        size = 0
        for key, part in _pieces(blobs):
            if pack and size + len(part) > PART_BYTES:
                await self._write_pack(pack)
                pack, size = {}, 0
            pack[key] = part
            size += len(part)
        if pack:
            await self._write_pack(pack)

    async def _write_pack(self, pack: dict[str, bytes]) -> None:
        name = "fleet-content-" + hashlib.sha256("".join(sorted(pack)).encode()).hexdigest()[:24]
        await self._write(name, {KEPT_LABEL: CONTENT}, {}, pack)
        self._packs[name] = list(pack)

    async def _write(
        self, name: str, labels: dict[str, str], notes: dict[str, str], data: Mapping[str, bytes]
    ) -> None:
        secret: KubeObject = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": SYSTEM_NAMESPACE,
                "labels": labels,
                "annotations": notes,
            },
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        try:
            await self._kube.create(secret)
        except ApiConflict:
            await self._kube.update(secret)  # a write before that was cut off half-way

    async def _forget(self, volume: _Volume, names: list[str]) -> None:
        for name in names:
            await self._remove([name])
            volume.names.remove(name)

    async def _remove(self, names: Iterable[str]) -> None:
        for name in names:
            try:
                await self._kube.delete("v1", "Secret", SYSTEM_NAMESPACE, name)
            except ApiNotFound:
                continue


def _parts(data: bytes) -> list[bytes]:
    return [data[at : at + PART_BYTES] for at in range(0, max(len(data), 1), PART_BYTES)]


def _pieces(blobs: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """Return (key, bytes): the digest as a key, and `.i.n` when a blob is cut into n parts."""
    pieces = []
    for digest, packed in blobs.items():
        key, parts = digest.replace(":", "-"), _parts(packed)
        if len(parts) == 1:
            pieces.append((key, packed))
        else:
            pieces += [(f"{key}.{at}.{len(parts)}", part) for at, part in enumerate(parts)]
    return pieces


def _unpacked(packs: Iterable[Mapping[str, bytes]]) -> dict[str, bytes]:
    whole: dict[str, bytes] = {}
    cut: dict[str, dict[int, bytes]] = {}
    for pack in packs:
        for key, value in pack.items():
            digest = _digest_in(key)
            if key.count(".") == 2:
                _, at, total = key.split(".")
                cut.setdefault(f"{digest} {total}", {})[int(at)] = value
            else:
                whole[digest] = value
    for key, parts in cut.items():
        digest, total = key.split(" ")
        if len(parts) == int(total):
            whole[digest] = b"".join(parts[at] for at in sorted(parts))
    return whole


def _digest_in(key: str) -> str:
    return key.split(".")[0].replace("-", ":", 1)


def _is_content(secret: KubeObject) -> bool:
    return bool(secret["metadata"]["labels"][KEPT_LABEL] == CONTENT)


def _data_of(secret: KubeObject) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}


def _place_of(secret: KubeObject) -> tuple[int, int]:
    notes = secret["metadata"]["annotations"]
    return int(notes[_GENERATION]), int(notes[_PART].split("/")[0])


def _parts_of(secret: KubeObject) -> int:
    return int(secret["metadata"]["annotations"][_PART].split("/")[1])
