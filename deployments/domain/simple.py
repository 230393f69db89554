"""Write the manifests of the common case: one image, its replicas, a port, variables. Pure."""

import re
from typing import Any

from clusters.domain.objects import KubeObject
from deployments.domain.images import read_image
from deployments.domain.sentences import Refusal
from fleet_portal.common.text import N_

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,252}")


def simple_manifests(
    name: str, image: str, replicas: int, port: int | None, env: list[tuple[str, str]]
) -> list[KubeObject]:
    """Return a Deployment, and a Service when there is a port. Raises Refusal."""
    try:
        read_image(image)
    except ValueError:
        raise Refusal(
            N_("“%(image)s” is not an image: write it like registry.example/team/web:1.2."),
            "image",
            image=image[:120],
        ) from None
    labels = {"app.kubernetes.io/name": name}
    container: dict[str, Any] = {"name": name, "image": image}
    if env:
        container["env"] = [{"name": key, "value": value} for key, value in env]
    if port is not None:
        container["ports"] = [{"name": "http", "containerPort": port}]
    deployment: KubeObject = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    if port is None:
        return [deployment]
    service: KubeObject = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": port, "targetPort": port}],
        },
    }
    return [deployment, service]


def read_env(text: str) -> list[tuple[str, str]]:
    """Return the variables of lines like NAME=value; empty lines and # comments are skipped."""
    pairs: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = line.partition("=")
        name = name.strip()
        if not equals or not _VARIABLE.fullmatch(name):
            raise Refusal(
                N_("Line %(line)d is not a variable: write it like NAME=value."), "env", line=number
            )
        if name in pairs:
            raise Refusal(
                N_("The variable %(name)s stands twice: keep one."), "env", name=name[:80]
            )
        pairs[name] = value.strip()
    return list(pairs.items())
