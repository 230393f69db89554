"""What the other action modules share: events, words to the gateway, hashes of tokens."""

import hashlib
from typing import Any

from django.db import transaction

from clusters.link import tell_gateways
from clusters.models import Cluster, ClusterEvent


def add_event(cluster: Cluster | int, kind: str, message: str = "") -> None:
    """Append to the cluster's history; `message` is plain data such as a name, never a secret."""
    pk = cluster if isinstance(cluster, int) else cluster.pk
    ClusterEvent.objects.create(cluster_id=pk, kind=kind, message=message[:255])


def tell_after_commit(name: str, body: dict[str, Any]) -> None:
    """Tell the gateways once the change is there to be read."""
    transaction.on_commit(lambda: tell_gateways(name, body), robust=True)


def hash_token(token: str) -> str:
    """Return what is kept of a token. Tokens are random, so one round of SHA-256 is enough."""
    return hashlib.sha256(token.encode()).hexdigest()
