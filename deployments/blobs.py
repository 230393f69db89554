"""Keep contents by digest: objects once, lists of them once, read back as domain Content."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from clusters.domain.objects import KubeObject
from deployments.domain.content import Content, ContentObject, ref_of_entry
from deployments.models import ObjectBlob, Rendering, Revision, Target, WaveTarget


def store_objects(digest: str, objects: Iterable[ContentObject]) -> None:
    """Keep the objects and their list under the spec digest; what is there already stays."""
    items = list(objects)
    blobs = {
        item.digest: ObjectBlob(digest=item.digest, content=item.data.decode()) for item in items
    }
    entries = [item.as_json() for item in items]
    # What is there already is marked as wanted again, so that no clean-up under way takes it.
    ObjectBlob.objects.bulk_create(
        blobs.values(),
        update_conflicts=True,
        update_fields=["stored_at"],
        unique_fields=["digest"],
    )
    Rendering.objects.bulk_create(
        [Rendering(digest=digest, objects_wanted=entries)],
        update_conflicts=True,
        update_fields=["stored_at"],
        unique_fields=["digest"],
    )


def forget_unused(before: datetime) -> int:
    """Drop contents that nothing names any more and that were last wanted before then.

    Revisions of people name theirs for ever; the mesh's contents come and go. Returns how many
    objects were dropped.
    """
    named = set(Target.objects.values_list("desired_digest", flat=True))
    named |= set(WaveTarget.objects.values_list("digest", flat=True))
    for digest, by_cluster in Revision.objects.values_list("digest", "by_cluster").iterator():
        named |= {digest, *by_cluster.values()}
    old = Rendering.objects.filter(stored_at__lt=before).values_list("digest", flat=True)
    for digests in _chunks(set(old) - named):
        Rendering.objects.filter(digest__in=digests, stored_at__lt=before).delete()
    held = Rendering.objects.values_list("objects_wanted", flat=True).iterator()
    used = {entry["digest"] for entries in held for entry in entries}
    blobs = ObjectBlob.objects.filter(stored_at__lt=before).values_list("digest", flat=True)
    unused = set(blobs) - used
    for digests in _chunks(unused):
        ObjectBlob.objects.filter(digest__in=digests, stored_at__lt=before).delete()
    return len(unused)


def _chunks(digests: set[str], size: int = 500) -> Iterator[list[str]]:
    found = sorted(digests)
    for start in range(0, len(found), size):
        yield found[start : start + size]


def entries_of(digests: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Return spec digest -> its object entries."""
    rows = Rendering.objects.filter(digest__in=set(digests))
    return dict(rows.values_list("digest", "objects_wanted"))


def load_content(revision: Revision) -> Content:
    """Return the content of a revision as it was saved."""
    entries = entries_of([revision.digest])[revision.digest]
    return Content(_objects(entries), revision.replicas)


def load_objects(entries: Iterable[Mapping[str, str]]) -> list[KubeObject]:
    """Return the objects of the entries in their order."""
    return [dict(item.obj) for item in _objects(list(entries))]


def _objects(entries: list[Any]) -> tuple[ContentObject, ...]:
    texts = dict(
        ObjectBlob.objects.filter(digest__in={entry["digest"] for entry in entries}).values_list(
            "digest", "content"
        )
    )
    return tuple(
        ContentObject(
            ref_of_entry(entry),
            json.loads(texts[entry["digest"]]),
            texts[entry["digest"]].encode(),
            entry["digest"],
        )
        for entry in entries
    )
