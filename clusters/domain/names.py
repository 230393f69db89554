"""The names under which work arrives in a cluster, all below `fleet:`. Pure.

The cluster lists names one by one (RBAC knows no prefixes), so the same functions build the
manifest's lists and the assertions that must stay within them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

OBSERVER = "fleet:controller:observer"
PERSON = "fleet:person"
USERS_GROUP = "fleet:users"
ROLES = ("viewer", "operator", "administrator")
EXTRA_LOGIN = "fleet-portal.io/login"
EXTRA_PARENT = "fleet-portal.io/parent"
EXTRA_SESSION = "fleet-portal.io/session"
MAX_GROUPS = 64

_NAME = re.compile(r"fleet:[a-z0-9._:@-]{1,120}", re.ASCII)


def project_user(slug: str) -> str:
    """Return the user that a project acts as."""
    return f"fleet:project:{slug}"


def team_group(slug: str) -> str:
    return f"fleet:team:{slug}"


def role_group(role: str) -> str:
    return f"fleet:role:{role}"


def is_fleet_name(name: str) -> bool:
    """Tell whether `name` may ever be impersonated."""
    return bool(_NAME.fullmatch(name))


@dataclass(frozen=True)
class ListedNames:
    """The users and groups that a cluster's manifest lists."""

    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def as_json(self) -> dict[str, list[str]]:
        return {"users": list(self.users), "groups": list(self.groups)}


def names_for(mode: str, teams: Iterable[str], projects: Iterable[str]) -> ListedNames:
    """Return the names that a cluster of this access mode lists.

    observe: the portal's own reading. use: also people, by one user name and their groups.
    manage: also one user for each project.
    """
    users, groups = [OBSERVER], []
    if mode in ("use", "manage"):
        users.append(PERSON)
        groups = [USERS_GROUP, *(role_group(role) for role in ROLES)]
        groups += [team_group(slug) for slug in sorted(teams)]
    if mode == "manage":
        users += [project_user(slug) for slug in sorted(projects)]
    return ListedNames(tuple(users), tuple(groups))
