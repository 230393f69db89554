"""The two credentials of an agent, and where its API server is.

Its *own identity* is what it was started with: the pod's ServiceAccount, or a kubeconfig whose
user has a token or a client certificate. It may do little: the objects in fleet-system.
The *data credential* is a token of fleet-system/fleet-impersonator, asked for by TokenRequest,
one hour long, renewed at 80 % of its life. It may do nothing but impersonate listed names, so a
request with it and without a valid name is never built: an empty Impersonate-User would run as
the ServiceAccount itself.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import re
import ssl
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clusters.agent.kube_errors import AgentKubeError, ApiDenied

SYSTEM_NAMESPACE = "fleet-system"
IMPERSONATOR = "fleet-impersonator"
TOKEN_LIFE_SECONDS = 3600
RENEW_AT_SHARE = 0.8

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Bound tokens in a pod are rotated on disk well before they end; kubelet writes them hourly.
_REREAD_SECONDS = 60.0
_NAME = re.compile(r"fleet:[a-z0-9._:@-]{1,120}")


class CredentialsInvalid(Exception):
    """The kubeconfig or the pod's mounted account cannot be used; the sentence says why."""


@dataclass(frozen=True)
class ApiServer:
    """Where the API is. `url` has no trailing slash; `tls` is None for plain http."""

    url: str
    tls: ssl.SSLContext | None


@dataclass
class OwnIdentity:
    """What the agent was started with: a server and, unless a certificate speaks, a token."""

    server: ApiServer
    fixed_token: str | None = None
    token_file: Path | None = None
    _read_at: float = field(default=0.0, repr=False)

    def token(self) -> str | None:
        """Return the bearer token, read again from its file once a minute."""
        if self.token_file is None:
            return self.fixed_token
        now = time.monotonic()
        if self.fixed_token is None or now - self._read_at > _REREAD_SECONDS:
            self.fixed_token = _read_text(self.token_file).strip()
            self._read_at = now
        return self.fixed_token


def check_identity(name: str) -> str:
    """Return `name` if it may stand in Impersonate-User, else raise ApiDenied.

    Only names under `fleet:` are ever listed in the cluster (impersonation by resourceNames),
    and a blank one would silently mean "no impersonation".
    """
    if not _NAME.fullmatch(name):
        raise ApiDenied(f"the agent does not act as {name[:140]!r}: not a name under fleet:")
    return name


class DataCredential:
    """A token of fleet-impersonator, kept fresh; `request` makes a new one."""

    def __init__(
        self,
        request: Callable[[], Awaitable[tuple[str, float]]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._request = request
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._renew_at = 0.0
        self._expires_at = 0.0

    async def token(self) -> str:
        """Return a token that is still good; an old one serves on while renewing fails."""
        if self._clock() < self._renew_at:
            return self._token
        async with self._lock:
            if self._clock() < self._renew_at:
                return self._token
            try:
                await self._renew()
            except AgentKubeError:
                if self._clock() >= self._expires_at:
                    raise
                self._renew_at = min(self._clock() + 30, self._expires_at)
            return self._token

    def forget(self, token: str) -> None:
        """Drop `token` (the API refused it), unless a newer one has taken its place."""
        if token == self._token:
            self._renew_at = self._expires_at = 0.0

    async def _renew(self) -> None:
        now = self._clock()
        self._token, self._expires_at = await self._request()
        self._renew_at = now + RENEW_AT_SHARE * (self._expires_at - now)


def load_own_identity(kubeconfig: Path | None) -> OwnIdentity:
    """Return the identity in `kubeconfig`, or the pod's own ServiceAccount when it is None."""
    return from_kubeconfig(kubeconfig) if kubeconfig else in_cluster()


def in_cluster(account: Path = _SERVICE_ACCOUNT) -> OwnIdentity:
    """Return the identity that a pod gets from its ServiceAccount."""
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (account / "token").exists():
        raise CredentialsInvalid(
            "This is not a pod with a ServiceAccount: start the agent with --kubeconfig FILE."
        )
    host = f"[{host}]" if ":" in host else host
    tls = ssl.create_default_context(cafile=str(account / "ca.crt"))
    return OwnIdentity(ApiServer(f"https://{host}:{port}", tls), token_file=account / "token")


def from_kubeconfig(path: Path) -> OwnIdentity:
    """Return the identity of the current context of a kubeconfig file.

    Raises CredentialsInvalid for what an unattended program should not use: exec plugins, auth
    providers, passwords.
    """
    try:
        config = yaml.safe_load(_read_text(path))
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context["user"])
        url = str(cluster["server"]).rstrip("/")
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise CredentialsInvalid(
            f"{path} is not a kubeconfig the agent can read: {error}"
        ) from None
    for plugin in ("exec", "auth-provider", "username"):
        if user.get(plugin):
            raise CredentialsInvalid(f"{path}: give the agent a token, not {plugin!r}.")
    try:
        tls = _tls(path.parent, cluster, user) if url.startswith("https://") else None
    except (OSError, UnicodeDecodeError) as error:  # ssl.SSLError is an OSError
        raise CredentialsInvalid(f"{path}: a certificate or key cannot be read: {error}") from None
    token_file = user.get("tokenFile")
    return OwnIdentity(
        ApiServer(url, tls),
        fixed_token=user.get("token"),
        token_file=path.parent / token_file if token_file else None,
    )


def _named(config: dict[str, Any], plural: str, single: str, name: str) -> dict[str, Any]:
    for entry in config.get(plural) or []:
        if entry.get("name") == name:
            return entry.get(single) or {}
    raise CredentialsInvalid(f"The kubeconfig has no {single} named {name!r}.")


def _tls(base: Path, cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = _material(base, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    # Some managed clusters' authorities lack the extensions that Python 3.13 began to demand.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if cluster.get("insecure-skip-tls-verify"):
        raise CredentialsInvalid("The agent never skips the check of its API server's certificate.")
    certificate = _material(base, user, "client-certificate")
    key = _material(base, user, "client-key")
    if certificate and key:
        _load_pair(context, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL's Python binding takes a client pair from files only.
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_bytes(certificate + b"\n" + key)
        context.load_cert_chain(pair)


def _material(base: Path, entry: dict[str, Any], name: str) -> bytes | None:
    if inline := entry.get(f"{name}-data"):
        try:
            return base64.b64decode(inline, validate=True)
        except binascii.Error:
            raise CredentialsInvalid(f"{name}-data in the kubeconfig is not base64.") from None
    if file := entry.get(name):
        return (base / str(file)).read_bytes()
    return None


def _read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise CredentialsInvalid(f"Cannot read {path}: {error.strerror}.") from None
