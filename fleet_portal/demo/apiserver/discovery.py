"""What `/api`, `/apis` and their aggregated forms say is served."""

from __future__ import annotations

from typing import Any

from fleet_portal.demo.apiserver.kinds import (
    GROUP_ORDER,
    SUBRESOURCE_KINDS,
    SUBRESOURCE_VERBS,
    ResourceType,
    group_versions,
    resources_of,
)

Object = dict[str, Any]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def wants_aggregated(accept: str) -> bool:
    return "as=APIGroupDiscoveryList" in accept and "v=v2" in accept


def api_versions(address: str) -> Object:
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def _group(name: str, version: str) -> Object:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def api_groups() -> Object:
    groups = [_group(name, version) for name, version in group_versions() if name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def api_group(name: str) -> Object | None:
    versions = dict(group_versions())
    if not name or name not in versions:
        return None
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name, versions[name])}


def api_resources(group: str, version: str) -> Object | None:
    """Return the APIResourceList of one group and version, None where it is not served."""
    known = resources_of(group, version)
    if not known:
        return None
    entries = []
    for resource in known:
        entries.append(_resource(resource))
        entries.extend(_subresource(resource, sub) for sub in resource.subresources)
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": known[0].api_version,
        "resources": entries,
    }


def _resource(resource: ResourceType) -> Object:
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular_name,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource(resource: ResourceType, name: str) -> Object:
    entry: Object = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.namespaced,
    }
    if name in SUBRESOURCE_KINDS:
        group, version, kind = SUBRESOURCE_KINDS[name]
        entry |= {"group": group, "version": version, "kind": kind}
    else:
        entry["kind"] = "ServiceProxyOptions" if name == "proxy" else resource.kind
    return entry | {"verbs": list(SUBRESOURCE_VERBS[name])}


def aggregated(core: bool) -> Object:
    """Return APIGroupDiscoveryList of the core group, or of all the named ones."""
    wanted = ("",) if core else GROUP_ORDER
    versions = dict(group_versions())
    items = []
    for group in wanted:
        metadata: Object = {"creationTimestamp": None}
        if group:
            metadata["name"] = group
        version = {
            "version": versions[group],
            "resources": [_discovered(r) for r in resources_of(group, versions[group])],
            "freshness": "Current",
        }
        items.append({"metadata": metadata, "versions": [version]})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _discovered(resource: ResourceType) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _response_kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular_name,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _response_kind(
                    *SUBRESOURCE_KINDS.get(name, (resource.group, resource.version, resource.kind))
                ),
                "verbs": list(SUBRESOURCE_VERBS[name]),
            }
            for name in resource.subresources
        ]
    return entry


def _response_kind(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}
