"""The live parts of the pages of clusters. The same fragment is drawn in a page and pushed."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest
from django.utils import timezone

from clusters import keys, queries
from clusters.domain.progress import is_ready, was_ready
from clusters.domain.statuses import LIVENESS, STEPS
from clusters.manifests import join_command
from clusters.models import Cluster, JoinToken
from clusters.queries import ClusterFilter
from clusters.words import EVENTS
from fleet_portal.common.access import Access, Role
from fleet_portal.common.home import panels
from fleet_portal.common.live.fragments import Fragment, registry

PAGE_SIZE = 50
POOL_PAGE_SIZE = 25


@dataclass(frozen=True)
class ListKey:
    """What one page of a list shows; packed into the key of its fragment."""

    wanted: ClusterFilter
    page: int = 1

    def pack(self) -> str:
        """Return a text that is safe in an element's id."""
        values = {name: value for name, value in asdict(self.wanted).items() if value}
        text = json.dumps([values, self.page], separators=(",", ":"), sort_keys=True)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def unpack(cls, key: str) -> "ListKey":
        values, page = json.loads(base64.urlsafe_b64decode(key + "=" * (-len(key) % 4)))
        return cls(ClusterFilter(**values), int(page))


def page_of(access: Access, key: ListKey) -> Page[Cluster]:
    """Return one page of the viewer's clusters."""
    return Paginator(queries.clusters_matching(access, key.wanted), PAGE_SIZE).get_page(key.page)


def show_too(request: HttpRequest, name: str, keys: Iterable[Any]) -> None:
    """Let the page's socket redraw these fragments as well: they stand inside another one."""
    shown = getattr(request, "_live_fragments", [])
    added = [(name, str(key)) for key in keys]
    request._live_fragments = [*shown, *added]  # type: ignore[attr-defined]


# The list.


def table_context(access: Access, key: str) -> Mapping[str, Any]:
    unpacked = ListKey.unpack(key)
    page = page_of(access, unpacked)
    return {
        "rows": queries.rows_of(page, timezone.now()),
        "page_obj": page,
        "filtered": unpacked.wanted.is_narrow,
        "may_register": access.has(Role.OPERATOR),
    }


def row_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    if cluster is None:
        return None
    return {"row": queries.rows_of([cluster], timezone.now())[0]}


def summary_context(access: Access, key: str) -> Mapping[str, Any]:
    counts = queries.count_by_state(access)
    figures = [(status, counts[status.value]) for status in LIVENESS]
    return {"figures": figures, "total": sum(counts.values()), "may_register": _registers(access)}


def _registers(access: Access) -> bool:
    return access.has(Role.OPERATOR)


def _cluster(access: Access, key: str) -> Cluster | None:
    if not key.isdigit():
        return None
    return queries.clusters_visible_to(access).filter(pk=int(key)).first()


# One cluster.


def head_context(access: Access, key: str) -> Mapping[str, Any] | None:
    return row_context(access, key)


def join_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    if cluster is None:
        return None
    now = timezone.now()
    steps = queries.join_progress(cluster, now)
    token = queries.open_join_token(cluster, now)
    command = join_command(_shown(token)) if token and access.has(Role.OPERATOR) else None
    failed = [check for check in cluster.access_checks if not check["ok"]]
    return {
        "cluster": cluster,
        "steps": [(step, STEPS[step.status]) for step in steps],
        # A cluster that was ready and is away: its head says since when, the list would mislead.
        "ready": is_ready(steps) or was_ready(steps),
        "command": command,
        "expires_at": token.expires_at if token else None,
        "failed_checks": failed,
        "needs_region": bool(cluster.inventory_at and cluster.region is None),
    }


def _shown(token: JoinToken) -> str:
    return keys.unseal(token.sealed).decode()


def facts_context(access: Access, key: str) -> Mapping[str, Any] | None:
    found = row_context(access, key)
    if found is None:
        return None
    cluster = found["row"].cluster
    missing = queries.names_missing(cluster)
    return {**found, "missing": [*missing.users, *missing.groups] if cluster.joined_at else []}


def nodes_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    return None if cluster is None else {"nodes": queries.nodes_of(cluster), "cluster": cluster}


def events_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    if cluster is None:
        return None
    events = queries.events_of(cluster)
    return {"events": [(event, EVENTS.get(event.kind, event.kind)) for event in events]}


def scopes_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    if cluster is None:
        return None
    return {"scopes": list(queries.scopes_of(cluster, access)), "cluster": cluster}


# The pool.


def pool_page_of(access: Access, key: ListKey) -> Page[Cluster]:
    """Return one page of the clusters that the pool lists, by region and name."""
    rows = queries.clusters_matching(access, ClusterFilter(region=key.wanted.region, sort="region"))
    return Paginator(rows, POOL_PAGE_SIZE).get_page(key.page)


def pool_context(access: Access, key: str) -> Mapping[str, Any]:
    """`key`: the region to add up, empty for all."""
    return {"pool": queries.pool(access, key)}


def pooltable_context(access: Access, key: str) -> Mapping[str, Any]:
    page = pool_page_of(access, ListKey.unpack(key))
    return {"rows": queries.pool_rows(page, timezone.now())}


def poolrow_context(access: Access, key: str) -> Mapping[str, Any] | None:
    cluster = _cluster(access, key)
    return None if cluster is None else {"row": queries.pool_rows([cluster], timezone.now())[0]}


def _of_cluster(key: str) -> list[str]:
    return [f"cluster:{key}"]


def _fragment(part: str, topics: Any, context: Any) -> Fragment:
    return registry.register(
        Fragment(
            name=f"clusters-{part}",
            template=f"clusters/fragments/{part}.html",
            topics=topics,
            context=context,
        )
    )


table = _fragment("table", lambda key: ["cluster:members"], table_context)
row = _fragment("row", _of_cluster, row_context)
head = _fragment("head", _of_cluster, head_context)
join = _fragment("join", _of_cluster, join_context)
facts = _fragment("facts", lambda key: [f"cluster:{key}", "team:members"], facts_context)
nodes = _fragment("nodes", _of_cluster, nodes_context)
events = _fragment("events", _of_cluster, events_context)
scopes = _fragment("scopes", _of_cluster, scopes_context)
pool = _fragment("pool", lambda key: ["cluster:any"], pool_context)
pooltable = _fragment("pooltable", lambda key: ["cluster:members"], pooltable_context)
poolrow = _fragment("poolrow", _of_cluster, poolrow_context)
summary = panels.register(
    10,
    Fragment(
        name="clusters-summary",
        template="clusters/fragments/summary.html",
        topics=lambda key: ["cluster:members"],
        context=summary_context,
    ),
    wide=True,
)
