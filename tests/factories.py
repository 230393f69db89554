"""Rows for tests, made by plain functions with keyword defaults."""

import itertools
from typing import Any

from clusters.models import Cluster, Node, ProjectScope, Region
from fleet_portal.common.models import Project, RoleBinding, Team, User

_numbers = itertools.count(1)


def make_user(
    username: str = "", role: str = "", project: Project | None = None, **values: Any
) -> User:
    """Return a user; with `role`, bound to it on `project` (None: on everything)."""
    user = User(username=username or f"user-{next(_numbers)}", **values)
    user.set_unusable_password()
    user.save()
    if role:
        make_binding(user=user, role=role, project=project)
    return user


def make_team(slug: str = "", members: tuple[User, ...] = ()) -> Team:
    slug = slug or f"team-{next(_numbers)}"
    team = Team.objects.create(slug=slug, name=slug.title())
    team.members.set(members)
    return team


def make_binding(**values: Any) -> RoleBinding:
    return RoleBinding.objects.create(**{"role": "viewer", **values})


def make_project(slug: str = "", **values: Any) -> Project:
    slug = slug or f"project-{next(_numbers)}"
    return Project.objects.get_or_create(slug=slug, defaults={"name": slug.title(), **values})[0]


def make_region(name: str = "eu", **values: Any) -> Region:
    return Region.objects.get_or_create(name=name, defaults=values)[0]


def make_cluster(name: str = "", region: Region | str | None = "eu", **values: Any) -> Cluster:
    """Return a registered cluster (pending unless the values say otherwise)."""
    if isinstance(region, str):
        region = make_region(region)
    return Cluster.objects.create(name=name or f"cluster-{next(_numbers)}", region=region, **values)


def make_node(cluster: Cluster, name: str = "", **values: Any) -> Node:
    defaults = {"ready": True, "cpu_milli": 4000, "memory_bytes": 8 << 30, "pods": 110}
    return Node.objects.create(
        cluster=cluster, name=name or f"node-{next(_numbers)}", **{**defaults, **values}
    )


def make_scope(project: Project, cluster: Cluster, *namespaces: str) -> ProjectScope:
    return ProjectScope.objects.create(
        project=project, cluster=cluster, namespaces=list(namespaces) or ["shop"]
    )
