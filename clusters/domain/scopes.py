"""Which namespaces a project may be given in a cluster, and how a person types them. Pure."""

import re
from collections.abc import Iterable

from clusters.domain.labels import shown
from fleet_portal.common.text import N_

MAX_NAMESPACES = 100
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
# Whoever may write there owns the cluster or the agent.
RESERVED = frozenset({"kube-system", "kube-public", "kube-node-lease", "fleet-system"})

BAD_NAMESPACE = N_(
    "“%(text)s” can't be a namespace: use at most 63 lower-case letters, digits and hyphens;"
    " begin and end with a letter or digit."
)
RESERVED_NAMESPACE = N_(
    "The namespace %(text)s belongs to the cluster itself: give the project one of its own."
)
TOO_MANY = N_("A project may have at most 100 namespaces in one cluster.")
BAD_LINE = N_(
    "Write each project on a line of its own, as project: namespace, namespace; this line is"
    " not: %(text)s"
)
TWICE = N_("The project %(text)s is there twice: put all its namespaces on one line.")


class ScopeInvalid(ValueError):
    """`message` is a source text with one place, `%(text)s`, for `text`."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message % {"text": text} if text else message)
        self.message = message
        self.text = text


def check_namespaces(namespaces: Iterable[str]) -> list[str]:
    """Return the namespaces, sorted, each once. Raises ScopeInvalid."""
    names = sorted(set(namespaces))
    if len(names) > MAX_NAMESPACES:
        raise ScopeInvalid(TOO_MANY)
    for name in names:
        if not isinstance(name, str) or not _NAMESPACE.fullmatch(name):
            raise ScopeInvalid(BAD_NAMESPACE, shown(name))
        if name in RESERVED:
            raise ScopeInvalid(RESERVED_NAMESPACE, name)
    return names


def parse_namespaces(text: str) -> list[str]:
    """Return the names in a list separated by commas, blanks or line ends."""
    return [part for part in re.split(r"[\s,]+", text) if part]


def parse_scopes(text: str) -> dict[str, list[str]]:
    """Return project slug -> namespaces, typed as lines `project: ns, ns`. Raises ScopeInvalid."""
    scopes: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        project, colon, names = line.partition(":")
        project = project.strip()
        namespaces = parse_namespaces(names)
        if not colon or not project or not namespaces:
            raise ScopeInvalid(BAD_LINE, shown(line.strip()))
        if project in scopes:
            raise ScopeInvalid(TWICE, shown(project))
        scopes[project] = check_namespaces(namespaces)
    return scopes
