"""Read a signed desired set: what one project wants in this cluster.

Checks shape and sense; the signature is the keyring's work, the order of sets the applier's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from clusters.domain.objects import ObjectId, ObjectRef, parse_id

TOKEN_TYPE = "fleet-desired-set+jwt"  # noqa: S105 - a media type


class DesiredSetInvalid(Exception):
    """The set makes no sense; the sentence says why."""


@dataclass(frozen=True)
class WantedObject:
    """One object: where it is, the digest of its content, and who counts its replicas.

    replicas: the count that the portal wants, None where it does not say.
    """

    ref: ObjectRef
    digest: str
    replicas: int | None = None


@dataclass(frozen=True)
class WantedApplication:
    """One application in one cluster. `digest` leaves replica counts out."""

    name: str
    revision: int
    digest: str
    objects: tuple[WantedObject, ...]


@dataclass(frozen=True)
class DesiredSet:
    """Everything that one project wants in one cluster, as of (epoch, sequence)."""

    project: str
    epoch: int
    sequence: int
    applications: tuple[WantedApplication, ...]
    token: str

    @property
    def order(self) -> tuple[int, int]:
        """Return what a newer set must exceed."""
        return self.epoch, self.sequence

    @cached_property
    def digests(self) -> frozenset[str]:
        """Return the digests of all content that is needed."""
        return frozenset(obj.digest for app in self.applications for obj in app.objects)


class _Object(msgspec.Struct):
    digest: str
    group: str
    version: str
    kind: str
    name: str
    namespace: str = ""


class _Application(msgspec.Struct):
    name: str
    revision: int
    digest: str
    objects: list[_Object]
    replicas: dict[str, int] = {}


class _Claims(msgspec.Struct):
    aud: str
    project: str
    epoch: int
    sequence: int
    applications: list[_Application]


def read_desired_set(claims: Mapping[str, Any], token: str, cluster_uid: str) -> DesiredSet:
    """Return the set in the claims of a verified token; raise DesiredSetInvalid."""
    try:
        read = msgspec.convert(dict(claims), _Claims)
    except msgspec.ValidationError as error:
        raise DesiredSetInvalid(f"The desired set is malformed: {error}.") from None
    if read.aud != cluster_uid:
        raise DesiredSetInvalid("The desired set is meant for another cluster.")
    applications = tuple(_application(entry) for entry in read.applications)
    names = [application.name for application in applications]
    if len(set(names)) != len(names):
        raise DesiredSetInvalid("The desired set names an application twice.")
    return DesiredSet(read.project, read.epoch, read.sequence, applications, token)


def _application(entry: _Application) -> WantedApplication:
    try:
        replicas = {parse_id(key): count for key, count in entry.replicas.items()}
    except ValueError as error:
        raise DesiredSetInvalid(f"Replicas of {entry.name}: {error}.") from None
    objects = tuple(_object(obj, replicas) for obj in entry.objects)
    return WantedApplication(entry.name, entry.revision, entry.digest, objects)


def _object(entry: _Object, replicas: Mapping[ObjectId, int]) -> WantedObject:
    identity = ObjectId(entry.group, entry.kind, entry.namespace, entry.name)
    ref = ObjectRef(identity, entry.version)
    return WantedObject(ref, entry.digest, replicas.get(identity))
