"""Records schemas.json from a real API server: what the simulated ones know about fields.

`python -m fleet_portal.demo.apiserver.record --server https://… --token … --ca ca.crt` reads the
OpenAPI v3 documents of a cluster with Istio's CRDs, keeps what the kinds of kinds.py reach, cuts
each description to its first sentence, and writes one schema a line. Nothing else reads a network.
"""

from __future__ import annotations

import argparse
import json
import re
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fleet_portal.demo.apiserver.kinds import RESOURCES, SUBRESOURCE_KINDS, group_versions

SCHEMAS_FILE = Path(__file__).with_name("schemas.json")
_REF_PREFIX = "#/components/schemas/"


def wanted_kinds() -> set[tuple[str, str, str]]:
    """Return the (group, version, kind) whose schemas are kept."""
    return {(r.group, r.version, r.kind) for r in RESOURCES} | set(SUBRESOURCE_KINDS.values())


def references(node: Any) -> Iterator[str]:
    """Yield the names of the schemas a node points at."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            # A JSON schema of JSON schemas has a property that is itself called $ref.
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(_REF_PREFIX)
            else:
                yield from references(value)


def shortened(node: Any) -> Any:
    """Return the node with every description cut to its first sentence."""
    if isinstance(node, list):
        return [shortened(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: re.split(r"(?<=[.!?])\s", value)[0]
        if key == "description" and isinstance(value, str)
        else shortened(value)
        for key, value in node.items()
    }


def _group_version_kinds(schema: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (entry.get("group", ""), entry["version"], entry["kind"])
        for entry in schema.get("x-kubernetes-group-version-kind", [])
    ]


def trim(documents: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the shortened schemas that the wanted kinds reach, by name."""
    known: dict[str, Any] = {}
    for document in documents:
        known.update(document.get("components", {}).get("schemas", {}))
    wanted = wanted_kinds()
    # Kinds shared by all groups (DeleteOptions …) name many groups: one is enough to tell.
    waiting = [n for n, s in known.items() if wanted.intersection(_group_version_kinds(s))]
    kept: dict[str, Any] = {}
    while waiting:
        name = waiting.pop()
        if name not in kept:
            kept[name] = shortened(known[name])
            waiting.extend(references(known[name]))
    return dict(sorted(kept.items()))


def write(schemas: dict[str, Any], path: Path = SCHEMAS_FILE) -> None:
    lines = [
        f"{json.dumps(name)}:{json.dumps(schema, separators=(',', ':'), ensure_ascii=False)}"
        for name, schema in schemas.items()
    ]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--ca", required=True)
    options = parser.parse_args()
    context = ssl.create_default_context(cafile=options.ca)
    documents = []
    for group, version in [*group_versions(), ("autoscaling", "v1")]:
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        request = urllib.request.Request(  # noqa: S310 - the address is the operator's own
            f"{options.server}/openapi/v3/{path}",
            headers={"Authorization": f"Bearer {options.token}", "Accept": "application/json"},
        )
        with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
            documents.append(json.load(answer))
    write(trim(documents))


if __name__ == "__main__":
    main()
