"""Keep contents by digest: objects once, lists of them once, read back as domain Content."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clusters.domain.objects import KubeObject
from deployments.domain.content import Content, ContentObject, ref_of_entry
from deployments.models import ObjectBlob, Rendering, Revision


def store_objects(digest: str, objects: Iterable[ContentObject]) -> None:
    """Keep the objects and their list under the spec digest; what is there already stays."""
    items = list(objects)
    blobs = {
        item.digest: ObjectBlob(digest=item.digest, content=item.data.decode()) for item in items
    }
    ObjectBlob.objects.bulk_create(blobs.values(), ignore_conflicts=True)
    entries = [item.as_json() for item in items]
    Rendering.objects.bulk_create(
        [Rendering(digest=digest, objects_wanted=entries)], ignore_conflicts=True
    )


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
