"""What agents and the gateway tell, written where it changes a row, and nowhere else.

Facts repeat, come late and come from clusters that may be hostile: only changed columns are
written, texts are cut to their columns, and a last-seen time is refreshed about once a minute.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from clusters.actions.events import add_event
from clusters.domain.liveness import ROW_TRUSTED, is_heard, judge_liveness, needs_refresh
from clusters.domain.statuses import AWAY, CONNECTED, LOST, SILENT
from clusters.models import NAME, Cluster, Node, Region
from fleet_portal.common import audit
from fleet_portal.common.live.topics import announce

MAX_NODES = 10_000
MAX_CHECKS = 50
_NODE_NUMBERS = ("cpu_milli", "memory_bytes", "pods")
_NODE_WORDS = {"region": 63, "zone": 63, "kubelet_version": 40}
_USED = {"used_cpu_milli": "cpu_milli", "used_memory_bytes": "memory_bytes", "used_pods": "pods"}
_MAX_NUMBER = 2**62
_MAX_COUNT = 2**31 - 1


def moment(epoch: Any) -> datetime:
    """Return the time for seconds since 1970; now for anything else."""
    try:
        return datetime.fromtimestamp(float(epoch), tz=UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return timezone.now()


def _write(cluster: Cluster, values: dict[str, Any]) -> bool:
    """Write the columns that differ; tell whether there were any."""
    changed = {name: new for name, new in values.items() if getattr(cluster, name) != new}
    if changed:
        Cluster.objects.filter(pk=cluster.pk).update(**changed)
        for name, new in changed.items():
            setattr(cluster, name, new)
    return bool(changed)


def _find(session: str, name: str) -> Cluster | None:
    """Return the cluster of a carrier: by its session, since names may change under it."""
    by_session = Cluster.objects.filter(session=session).first() if session else None
    return by_session or Cluster.objects.filter(name=name).first()


@transaction.atomic
def record_connected(
    name: str,
    session: str,
    *,
    agent_version: str = "",
    server_version: str = "",
    at: Any = None,
) -> None:
    """An agent's carrier is up."""
    cluster = Cluster.objects.filter(name=name).first()
    if cluster is None:
        return
    when = moment(at)
    was_away = cluster.tunnel_state in AWAY
    first = cluster.connected_at is None
    values = {
        "session": session[:64],
        "tunnel_state": CONNECTED,
        "connected_at": cluster.connected_at or when,
        "last_frame_at": when,
        "away_since": None,
        "close_reason": "",
        "agent_version": agent_version[:40],
    }
    if server_version:
        values["server_version"] = server_version[:40]
    if first:
        add_event(cluster, "connected")
    elif was_away:
        add_event(cluster, "back", _away_for(cluster.away_since, when))
    _write(cluster, values)
    announce("cluster", cluster.pk, members=first or was_away)


def _away_for(since: datetime | None, until: datetime) -> str:
    return f"{max(0, int((until - since).total_seconds()))} s" if since else ""


@transaction.atomic
def record_closed(
    name: str, session: str, *, code: int = 0, reason: str = "", at: Any = None
) -> None:
    """A carrier ended. One that was replaced by a newer carrier says nothing about the cluster."""
    cluster = _find(session, name)
    if cluster is None or (session and cluster.session != session):
        return
    words = f"{reason} ({code})" if reason else (str(code) if code else "")
    values = {"session": "", "tunnel_state": SILENT, "away_since": moment(at)}
    if _write(cluster, {**values, "close_reason": words[:255]}):
        announce("cluster", cluster.pk, members=True)


@transaction.atomic
def record_liveness(name: str, state: str, last_frame_at: Any) -> None:
    """The gateway's word on a carrier changed: connected, silent or lost."""
    cluster = Cluster.objects.filter(name=name).first()
    if cluster is None or state not in (CONNECTED, SILENT, LOST) or not cluster.connected_at:
        return
    seen = moment(last_frame_at)
    before = cluster.tunnel_state
    away = state != CONNECTED
    values: dict[str, Any] = {"tunnel_state": state, "away_since": seen if away else None}
    if before != state or needs_refresh(cluster.last_frame_at, seen):
        values["last_frame_at"] = seen
    if before != LOST and state == LOST:
        add_event(cluster, "lost")
    if before == LOST and state == CONNECTED:
        add_event(cluster, "back", _away_for(cluster.away_since, seen))
    if _write(cluster, values) and before != state:
        announce("cluster", cluster.pk, members=True)


def record_carriers(carriers: Iterable[dict[str, Any]]) -> None:
    """Refresh the last-seen times of all that a gateway holds (its full list, each minute).

    The gateway tells changes of its own only. A row that was swept away while no list came (the
    portal itself was held up) is put right here, or nobody would ever do it.
    """
    seen_by_session = {
        str(carrier.get("session", "")): moment(carrier.get("last_frame_at"))
        for carrier in carriers
    }
    rows = Cluster.objects.filter(session__in=[key for key in seen_by_session if key])
    stale, now = [], timezone.now()
    for row in rows.only("pk", "name", "session", "last_frame_at", "tunnel_state"):
        seen = seen_by_session[row.session]
        if row.tunnel_state in AWAY and is_heard(seen, now):
            record_liveness(row.name, CONNECTED, seen.timestamp())
        elif needs_refresh(row.last_frame_at, seen):
            row.last_frame_at = seen
            stale.append(row)
    Cluster.objects.bulk_update(stale, ["last_frame_at"], batch_size=200)
    # A page shows "last seen" from these rows, but a minute's refresh is no news: the browser
    # counts on by itself, so nothing is announced.


def sweep_clusters(now: datetime) -> None:
    """Write the word that holds now where a row aged out of its own: nobody else may speak.

    So a cluster is away for lists, filters and loops too when the gateway itself is gone.
    """
    stale = Q(tunnel_state=CONNECTED, last_frame_at__lt=now - ROW_TRUSTED)
    for cluster in Cluster.objects.filter(stale | Q(tunnel_state=SILENT)):
        judged = judge_liveness(cluster.tunnel_facts, now)
        if judged.status not in AWAY or judged.status == cluster.tunnel_state:
            continue
        with transaction.atomic():
            if judged.status == LOST:
                add_event(cluster, "lost")
            _write(cluster, {"tunnel_state": judged.status, "away_since": judged.since})
            announce("cluster", cluster.pk, members=True)


# Reports of agents. Handlers of `clusters.reports`: (cluster_id, report, received_at).


@transaction.atomic
def record_api(cluster_id: int, report: dict[str, Any], received_at: datetime) -> None:
    """The agent's probe of its API server changed."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    reachable = bool(report["reachable"])
    before = cluster.api_reachable
    values: dict[str, Any] = {
        "api_reachable": reachable,
        "api_message": str(report.get("message") or "")[:255],
    }
    if before is not reachable:
        values["api_since"] = moment(report.get("since"))
    if report.get("server_version"):
        values["server_version"] = str(report["server_version"])[:40]
    if (before is not None and before is not reachable) or (before is None and not reachable):
        kind = "api reachable" if reachable else "api unreachable"
        add_event(cluster, kind, values["api_message"])
    if _write(cluster, values):
        announce("cluster", cluster.pk, members=before is not reachable)


@transaction.atomic
def record_nodes(cluster_id: int, report: dict[str, Any], received_at: datetime) -> None:
    """The full list of nodes, on every change."""
    cluster = Cluster.objects.select_related("region").filter(pk=cluster_id).first()
    if cluster is None:
        return
    told = {}
    for item in report["nodes"][:MAX_NODES]:
        told[str(item["name"])[:253]] = _node_values(item)
    known = {node.name: node for node in Node.objects.filter(cluster=cluster)}
    changed = _update_nodes(cluster, told, known)
    first = cluster.inventory_at is None
    if first or changed:
        _write(cluster, {"inventory_at": received_at})
    found = _find_region(cluster, told)
    if first or changed or found:
        announce("cluster", cluster.pk, members=first or found)


def _node_values(item: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {"ready": bool(item.get("ready"))}
    for field in _NODE_NUMBERS:
        values[field] = _number(item.get(field), _MAX_COUNT if field == "pods" else _MAX_NUMBER)
    for field, length in _NODE_WORDS.items():
        values[field] = str(item.get(field) or "")[:length]
    return values


def _number(value: Any, maximum: int) -> int:
    return max(0, min(int(value or 0), maximum))


def _update_nodes(
    cluster: Cluster, told: dict[str, dict[str, Any]], known: dict[str, Node]
) -> bool:
    new = [Node(cluster=cluster, name=name, **told[name]) for name in told.keys() - known.keys()]
    gone = [known[name].pk for name in known.keys() - told.keys()]
    different = []
    for name in told.keys() & known.keys():
        node = known[name]
        if any(getattr(node, field) != value for field, value in told[name].items()):
            for field, value in told[name].items():
                setattr(node, field, value)
            different.append(node)
    Node.objects.bulk_create(new, batch_size=500)
    Node.objects.bulk_update(different, ["ready", *_NODE_NUMBERS, *_NODE_WORDS], batch_size=200)
    if gone:
        Node.objects.filter(pk__in=gone).delete()
    return bool(new or gone or different)


def _find_region(cluster: Cluster, told: dict[str, dict[str, Any]]) -> bool:
    """Put a cluster without a region where most of its nodes say they are."""
    if cluster.region_id is not None:
        return False
    regions = Counter(node["region"] for node in told.values() if _is_region(node["region"]))
    if not regions:
        return False
    name = regions.most_common(1)[0][0]
    region = Region.objects.get_or_create(name=name)[0]
    _write(cluster, {"region": region})
    add_event(cluster, "region found", name)
    audit.record(f"agent:{cluster.name}", "cluster.move", cluster, detail={"to": name})
    announce("region", region.pk, members=True)
    return True


def _is_region(name: str) -> bool:
    try:
        NAME(name)
    except ValidationError:
        return False
    return True


@transaction.atomic
def record_usage(cluster_id: int, report: dict[str, Any], received_at: datetime) -> None:
    """What Pods ask for, by node, and how many run and wait."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    usage = dict(report["nodes"])
    different = []
    for node in Node.objects.filter(cluster=cluster):
        told = usage.get(node.name) or {}
        values = {
            field: _number(told.get(key), _MAX_COUNT if key == "pods" else _MAX_NUMBER)
            for field, key in _USED.items()
        }
        if any(getattr(node, field) != value for field, value in values.items()):
            for field, value in values.items():
                setattr(node, field, value)
            different.append(node)
    Node.objects.bulk_update(different, list(_USED), batch_size=200)
    counts = {
        "pods_running": _number(report.get("pods_running"), _MAX_COUNT),
        "pods_pending": _number(report.get("pods_pending"), _MAX_COUNT),
    }
    if _write(cluster, counts) or different:
        announce("cluster", cluster.pk)


@transaction.atomic
def record_access(cluster_id: int, report: dict[str, Any], received_at: datetime) -> None:
    """How the agent's access test went: it lists nodes and Pods as the portal's observer."""
    cluster = Cluster.objects.filter(pk=cluster_id).first()
    if cluster is None:
        return
    passed = bool(report["passed"])
    before = cluster.access_passed
    found = [_check(item) for item in list(report.get("checks") or [])[:MAX_CHECKS]]
    changed = _write(cluster, {"access_passed": passed, "access_checks": found})
    if changed or cluster.access_tested_at is None:
        _write(cluster, {"access_tested_at": received_at})
    if before is not passed:
        add_event(cluster, "access passed" if passed else "access failed")
    if changed:
        announce("cluster", cluster.pk)


def _check(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "what": str(item.get("what") or "")[:100],
        "ok": bool(item.get("ok")),
        "message": str(item.get("message") or "")[:500],
    }
