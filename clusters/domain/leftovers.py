"""What stays in a cluster after it was removed from the portal, as commands to delete it. Pure."""

from collections.abc import Sequence

from clusters.domain.rules import CLUSTER_ROLES, PROMETHEUS_ROLE, SYSTEM


def leftover_commands(*, namespaces: Sequence[str], prometheus_namespace: str) -> list[str]:
    """Return kubectl commands that delete what the manifest made, most powerful things first.

    Namespaces of projects stay: what runs in them belongs to the projects.
    """
    roles = " ".join(CLUSTER_ROLES)
    commands = [
        f"kubectl delete clusterrolebinding --ignore-not-found {roles}",
        f"kubectl delete clusterrole --ignore-not-found {roles}",
    ]
    if prometheus_namespace:
        commands.append(
            f"kubectl delete role,rolebinding --ignore-not-found -n {prometheus_namespace}"
            f" {PROMETHEUS_ROLE}"
        )
    commands += [
        f"kubectl delete role,rolebinding --ignore-not-found -n {namespace}"
        f" -l app.kubernetes.io/part-of=fleet-portal"
        for namespace in namespaces
    ]
    commands.append(f"kubectl delete namespace --ignore-not-found {SYSTEM}")
    return commands
