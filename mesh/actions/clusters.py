"""How a cluster takes part in the mesh: its gateways, its network, its names in metrics."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from clusters.models import Cluster
from fleet_portal.common import audit
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import User
from mesh.models import ClusterMesh

DEFAULT_GATEWAY_PORT = 15443
_NETWORK = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")


@transaction.atomic
def set_cluster_mesh(
    cluster: Cluster,
    actor: User | str | None,
    *,
    gateways: Iterable[str],
    network: str = "",
    istio_id: str = "",
    scrape_seconds: int = 15,
) -> ClusterMesh:
    """Set how others enter the cluster; `gateways`: `address` or `address:port`, IP addresses."""
    entrances = [_read_gateway(text) for text in gateways if text.strip()]
    for value, field in ((network, "network"), (istio_id, "istio_id")):
        if value and not _NETWORK.match(value):
            raise ActionRefused(
                _("“%(value)s” is no valid label: use letters, digits and . _ -")
                % {"value": value[:63]},
                field,
            )
    if not 1 <= scrape_seconds <= 300:
        raise ActionRefused(_("The scrape interval is 1 to 300 seconds."), "scrape_seconds")
    if istio_id and _is_taken(cluster, istio_id):
        raise ActionRefused(
            _("Another cluster is called %(name)s in Istio: two can't share a name.")
            % {"name": istio_id},
            "istio_id",
        )
    values = {
        "gateways": entrances,
        "network": network,
        "istio_id": istio_id,
        "scrape_seconds": scrape_seconds,
    }
    mesh, _created = ClusterMesh.objects.update_or_create(cluster=cluster, defaults=values)
    audit.record(actor, "mesh.cluster", cluster, detail=values)
    announce("mesh-cluster", cluster.pk)
    announce("mesh-service", members=True)
    return mesh


def _is_taken(cluster: Cluster, istio_id: str) -> bool:
    others = ClusterMesh.objects.exclude(cluster=cluster)
    by_name = Cluster.objects.exclude(pk=cluster.pk).filter(name=istio_id)
    return others.filter(istio_id=istio_id).exists() or by_name.exists()


def _read_gateway(text: str) -> dict[str, Any]:
    """Return {"address", "port"}; IPv6 with a port is written `[address]:port`."""
    host, port_text = text.strip(), str(DEFAULT_GATEWAY_PORT)
    bracketed = re.fullmatch(r"\[(.+)\](?::(\d+))?", host)
    if bracketed:
        host, port_text = bracketed[1], bracketed[2] or port_text
    elif host.count(":") == 1:
        host, port_text = host.split(":")
    try:
        address, port = ipaddress.ip_address(host), int(port_text)
    except ValueError:
        address, port = None, 0
    if address is None or not 0 < port < 65536:
        raise ActionRefused(
            _(
                "“%(text)s” is no gateway address: write an IP address, with a port if it is not "
                "%(port)s. Names can't be used: Istio mixes only addresses with Pods."
            )
            % {"text": text.strip()[:80], "port": DEFAULT_GATEWAY_PORT},
            "gateways",
        )
    return {"address": str(address), "port": port}
