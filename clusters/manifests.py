"""The join command and the manifest of one cluster, as pages and REST print them."""

from dataclasses import dataclass

from django.conf import settings

from clusters import keys, queries
from clusters.domain.manifest import (
    ManifestInput,
    Prometheus,
    build_manifest,
    build_rules,
    heading_of,
    render_yaml,
)
from clusters.models import Cluster

# Shown in place of a token that only the command's own address may hold.
HIDDEN_TOKEN = "(in the manifest at the command's address)"  # noqa: S105


@dataclass(frozen=True)
class JoinCommand:
    """What a person pastes: one line, and the address in it."""

    command: str
    address: str


def join_command(token: str) -> JoinCommand:
    """Return the command for a join token.

    Behind a public certificate kubectl fetches the address itself. Behind the portal's own
    authority curl does, and takes no other key than the pinned one: -k alone would take any.
    """
    address = f"{settings.FLEET_PUBLIC_URL}/join/{token}/fleet-agent.yaml"
    pins = keys.public_pins()
    if not pins:
        return JoinCommand(f"kubectl apply -f {address}", address)
    pinned = ";".join(pins)
    command = f"curl -fsSk --pinnedpubkey '{pinned}' {address} | kubectl apply -f -"
    return JoinCommand(command, address)


def manifest_input(cluster: Cluster, token: str = "") -> ManifestInput:
    """Return all that decides the cluster's manifest now."""
    prometheus = None
    if cluster.prometheus:
        prometheus = Prometheus(
            cluster.prometheus_namespace, cluster.prometheus_service, cluster.prometheus_port
        )
    scopes = [(scope.project.slug, tuple(scope.namespaces)) for scope in queries.scopes_of(cluster)]
    return ManifestInput(
        cluster=cluster.name,
        url=settings.FLEET_PUBLIC_URL,
        pins=tuple(keys.public_pins()),
        image=settings.FLEET_AGENT_IMAGE,
        mode=cluster.mode,
        impersonation=cluster.impersonation,
        names=queries.names_wanted(cluster),
        scopes=tuple(scopes) if cluster.mode == "manage" else (),
        prometheus=prometheus,
        token=token,
    )


def manifest_text(cluster: Cluster, token: str = HIDDEN_TOKEN) -> str:
    """Return the whole manifest as YAML."""
    given = manifest_input(cluster, token)
    return render_yaml(build_manifest(given), heading_of(given))


def rules_text(cluster: Cluster) -> str:
    """Return the rules alone, to be applied again after names or scopes changed."""
    given = manifest_input(cluster)
    heading = (
        f"The rules of {given.cluster} as the portal needs them now.\n"
        "Apply it with kubectl as the cluster's administrator."
    )
    return render_yaml(build_rules(given), heading)
