"""What a request to a cluster asks for, read from its method and its target once."""

from functools import lru_cache
from typing import NamedTuple

from clusters.tunnel.requests import (
    RequestInfo,
    check_method,
    check_target,
    parse_request,
)

CLUSTERS_PREFIX = "/k8s/clusters/"
AGENTS_PREFIX = "/agents/"
HEAD_SECONDS = 65.0  # kube-apiserver itself gives up at 60 s


class Route(NamedTuple):
    """Where a request goes.

    `prefix` is what stands before the cluster's own `target`; `path` is the target without its
    query; `to` is "api" or "agent"; `head_seconds` bounds the wait for the head, 0 means no bound.
    """

    cluster: str
    prefix: str
    target: str
    path: str
    to: str
    info: RequestInfo
    resource: str
    head_seconds: float


@lru_cache(maxsize=4096)
def read_route(method: str, target: str) -> Route:
    """Return the route of a target under one of the two prefixes. Raises RequestRefused."""
    to = "api" if target.startswith(CLUSTERS_PREFIX) else "agent"
    start = CLUSTERS_PREFIX if to == "api" else AGENTS_PREFIX
    whole, mark, query = target[len(start) :].partition("?")
    cluster, _, path = whole.partition("/")
    path = f"/{path}"
    own = f"{path}{mark}{query}"
    check_method(method)
    check_target(own)
    info = parse_request(method, own)
    bound = 0.0 if info.is_long or to == "agent" else HEAD_SECONDS
    resource = f"{info.resource}/{info.subresource}".rstrip("/")
    return Route(cluster, start + cluster, own, path, to, info, resource, bound)
