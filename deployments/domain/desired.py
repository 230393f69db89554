"""Write the desired set: all that one project wants in one cluster, as claims to be signed. Pure.

The reader is `deployments/agent/desired.py`; a test joins both.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clusters.domain.objects import digest_of

TOKEN_TYPE = "fleet-desired-set+jwt"  # noqa: S105 - a media type
ISSUER = "fleet-portal"


@dataclass(frozen=True)
class WantedApplication:
    """One application in one cluster. `objects`: entries as Renderings keep them."""

    name: str
    revision: int
    digest: str
    replicas: Mapping[str, int]
    objects: Iterable[Mapping[str, str]]

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "revision": self.revision,
            "digest": self.digest,
            "replicas": dict(self.replicas),
            "objects": [dict(entry) for entry in self.objects],
        }


def desired_claims(
    cluster_uid: str,
    project: str,
    epoch: int,
    sequence: int,
    applications: Iterable[WantedApplication],
) -> dict[str, Any]:
    """Return the claims of a set for one cluster. It never expires: a newer one replaces it."""
    return {
        "iss": ISSUER,
        "aud": cluster_uid,
        "project": project,
        "epoch": epoch,
        "sequence": sequence,
        "applications": [
            application.as_json() for application in sorted(applications, key=lambda a: a.name)
        ],
    }


def root_digest(claims: Mapping[str, Any]) -> str:
    """Return the digest of what the set wants, whatever its epoch and sequence are."""
    text = json.dumps(claims["applications"], sort_keys=True, separators=(",", ":"))
    return digest_of(text.encode())


def retry_after_seconds(attempts: int, jitter: float) -> float:
    """Return the wait after the n-th failure: 2 s doubled to 60 s; `jitter` in [0, 1] adds 20 %."""
    return float(min(60.0, 2.0 * 2 ** min(attempts, 6)) * (1.0 + 0.2 * jitter))
