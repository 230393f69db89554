"""What the agent's deployments part needs from others, as shapes: its cluster, a bus, a keyring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from clusters.agent.kube import Applied, KubeObject, ObjectList, WatchEvent
from clusters.agent.kube_discovery import Discovery, Resource


class ReportBus(Protocol):
    """Keeps the latest report per kind and key, and hands it to whoever reads."""

    def publish(self, kind: str, key: str, report: dict[str, Any]) -> None:
        """Replace the latest report of this kind and key."""


class Keyring(Protocol):
    """The portal's public keys."""

    def verify(self, token: str, typ: str) -> Mapping[str, Any]:
        """Return the claims of a token of this type, signed by the portal; raise if it is not."""


class KubeApi(Protocol):
    """The calls of clusters.agent.kube.AgentKube that this app makes."""

    @property
    def discovery(self) -> Discovery: ...

    async def resource(self, api_version: str, kind: str) -> Resource: ...

    async def get(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        as_identity: str | None = None,
    ) -> KubeObject: ...

    async def list_(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        as_identity: str | None = None,
    ) -> ObjectList: ...

    def follow(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        renew_seconds: float = 300,
        as_identity: str | None = None,
    ) -> AsyncIterator[ObjectList | WatchEvent]: ...

    async def create(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject: ...

    async def update(
        self,
        obj: KubeObject,
        *,
        as_identity: str | None = None,
        field_manager: str = "",
        dry_run: bool = False,
    ) -> KubeObject: ...

    async def apply(
        self,
        obj: KubeObject,
        *,
        field_manager: str,
        force: bool = False,
        dry_run: bool = False,
        as_identity: str | None = None,
    ) -> Applied: ...

    async def delete(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        propagation: str = "Background",
        as_identity: str | None = None,
        dry_run: bool = False,
    ) -> None: ...
