"""Compare what is live with what would be, as a unified diff that shows no secret. Pure."""

import difflib
from collections.abc import Mapping
from typing import Any

from clusters.domain.objects import KubeObject
from deployments.domain.manifests import to_yaml
from deployments.domain.ownership import REVISION_ANNOTATION

# What the API server keeps for itself; it would be noise in every diff.
_NOISE = (
    "creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid",
)  # fmt: skip
HIDDEN = "(hidden)"
HIDDEN_CHANGED = "(hidden, changed)"
MAX_LINES = 2000


def diff_objects(live: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    """Return the unified diff of two objects' YAML; "" when nothing that matters differs.

    None stands for absent. Values of Secrets are masked, and marked where they change.
    """
    before, after = _readable(live), _readable(new)
    if _is_secret(live) or _is_secret(new):
        before, after = _masked(before, after)
    lines = difflib.unified_diff(
        to_yaml(before).splitlines() if before else [],
        to_yaml(after).splitlines() if after else [],
        "live",
        "new",
        lineterm="",
    )
    shown = list(lines)
    if len(shown) > MAX_LINES:
        shown = [*shown[:MAX_LINES], f" … {len(shown) - MAX_LINES} more lines"]
    return "\n".join(shown)


def readable_yaml(obj: Mapping[str, Any]) -> str:
    """Return an object's YAML without the API server's own fields, Secrets masked."""
    shown = _readable(obj)
    if _is_secret(obj):
        shown, _after = _masked(shown, shown)
    return to_yaml(shown)


def _readable(obj: Mapping[str, Any] | None) -> KubeObject:
    if not obj:
        return {}
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _NOISE}
    notes = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if key != REVISION_ANNOTATION
    }
    if notes:
        metadata["annotations"] = notes
    shown = {key: value for key, value in obj.items() if key != "status"}
    return {**shown, "metadata": metadata}


def _is_secret(obj: Mapping[str, Any] | None) -> bool:
    return bool(obj) and obj is not None and obj.get("kind") == "Secret"


def _masked(before: KubeObject, after: KubeObject) -> tuple[KubeObject, KubeObject]:
    masked_before, masked_after = dict(before), dict(after)
    for field in ("data", "stringData"):
        old = before.get(field) or {}
        new = after.get(field) or {}
        if old:
            masked_before[field] = dict.fromkeys(old, HIDDEN)
        if new:
            masked_after[field] = {
                key: HIDDEN if key not in old or old[key] == value else HIDDEN_CHANGED
                for key, value in new.items()
            }
    return masked_before, masked_after
