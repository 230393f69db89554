"""What the agent knows of itself: read from the objects that the manifest made in fleet-system.

The same code runs in a pod and outside with a kubeconfig, so everything comes through the API:
the ConfigMap says where the portal is and which keys its certificate may have; Secrets hold the
join token, and the agent's own key and certificate once it has enrolled.
"""

import base64
import binascii
import uuid
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from clusters.agent.assertions import dump_keys, load_keys
from clusters.agent.kube import SYSTEM_NAMESPACE, AgentKube, ApiNotFound, KubeObject

CONFIG_NAME = "fleet-agent-config"
JOIN_NAME = "fleet-agent-join"
IDENTITY_NAME = "fleet-agent-identity"
PIN_PREFIX = "sha256//"


class ConfigInvalid(Exception):
    """The objects in fleet-system do not say what an agent needs; the sentence says what to do."""


@dataclass(frozen=True)
class AgentConfig:
    """Where the portal is, and which cluster this is.

    `pins` are SHA-256 digests of public keys; empty means that the certificate must be valid by
    the usual rules. `cluster_uid` is the uid of the kube-system namespace. `instance` names this
    process among replicas.
    """

    url: str
    pins: frozenset[bytes]
    cluster: str
    mode: str
    project_namespaces: tuple[str, ...]
    cluster_uid: str
    instance: str
    server_version: str = ""

    @property
    def websocket_url(self) -> str:
        """Where carriers go."""
        return "wss" + self.url.removeprefix("https") + "/tunnel/v1"


@dataclass(frozen=True)
class AgentIdentity:
    """The agent's key and certificate (PEM), and the portal's signing keys.

    `token_digest` tells the join token that was spent from one that was printed later.
    """

    key_pem: str
    certificate_pem: str
    ca_pem: str
    jwks: tuple[dict[str, object], ...]
    token_digest: str = ""


async def load_config(kube: AgentKube, instance: str = "") -> AgentConfig:
    """Return the configuration. Raises ConfigInvalid, or AgentKubeError when the API fails."""
    try:
        found = await kube.get("v1", "ConfigMap", SYSTEM_NAMESPACE, CONFIG_NAME)
    except ApiNotFound:
        raise ConfigInvalid(
            f"There is no ConfigMap {SYSTEM_NAMESPACE}/{CONFIG_NAME}: apply the manifest that the"
            " portal printed for this cluster."
        ) from None
    namespace = await kube.get("v1", "Namespace", "", "kube-system")
    data = found.get("data") or {}
    return AgentConfig(
        url=_portal_url(data.get("url", "")),
        pins=parse_pins(data.get("pins", "")),
        cluster=data.get("cluster", ""),
        mode=data.get("mode", ""),
        project_namespaces=tuple(_names(data.get("project_namespaces", ""))),
        cluster_uid=str(namespace["metadata"]["uid"]),
        instance=instance or uuid.uuid4().hex,
        server_version=await server_version(kube),
    )


async def load_token(kube: AgentKube) -> str:
    """Return the join token, "" when there is none."""
    return (await _secret(kube, JOIN_NAME)).get("token", "")


async def load_identity(kube: AgentKube) -> AgentIdentity | None:
    """Return the identity this agent enrolled with; None before that."""
    data = await _secret(kube, IDENTITY_NAME)
    key, certificate = data.get("tls.key", ""), data.get("tls.crt", "")
    if not key or not certificate:
        return None
    return AgentIdentity(
        key_pem=key,
        certificate_pem=certificate,
        ca_pem=data.get("ca.crt", ""),
        jwks=tuple(load_keys(data.get("keys.json", ""))),
        token_digest=data.get("token.sha256", ""),
    )


async def save_identity(kube: AgentKube, identity: AgentIdentity) -> None:
    """Keep the identity in its Secret: the key never leaves the cluster."""
    texts = {
        "tls.key": identity.key_pem,
        "tls.crt": identity.certificate_pem,
        "ca.crt": identity.ca_pem,
        "keys.json": dump_keys([dict(jwk) for jwk in identity.jwks]),
        "token.sha256": identity.token_digest,
    }
    data = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    patch: KubeObject = {"data": data}
    try:
        await kube.merge_patch("v1", "Secret", SYSTEM_NAMESPACE, IDENTITY_NAME, patch)
    except ApiNotFound:
        metadata = {"name": IDENTITY_NAME, "namespace": SYSTEM_NAMESPACE}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
        await kube.create({**secret, **patch})


def parse_pins(text: str) -> frozenset[bytes]:
    """Return the digests in `sha256//…,sha256//…`. Raises ConfigInvalid for anything else."""
    pins = set()
    for part in _names(text):
        try:
            digest = base64.b64decode(part.removeprefix(PIN_PREFIX), validate=True)
        except binascii.Error:
            digest = b""
        if not part.startswith(PIN_PREFIX) or len(digest) != 32:
            raise ConfigInvalid(f"{part[:60]!r} in {CONFIG_NAME} is no pin: sha256//<base64>.")
        pins.add(digest)
    return frozenset(pins)


def _portal_url(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.path.strip("/"):
        raise ConfigInvalid(f"The url in {CONFIG_NAME} must be https://<host>: it is {url[:80]!r}.")
    return f"https://{parts.netloc}"


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


async def _secret(kube: AgentKube, name: str) -> dict[str, str]:
    try:
        found = await kube.get("v1", "Secret", SYSTEM_NAMESPACE, name)
    except ApiNotFound:
        return {}
    data = found.get("data") or {}
    return {key: base64.b64decode(value).decode(errors="replace") for key, value in data.items()}


async def server_version(kube: AgentKube) -> str:
    """Return the API server's version, such as v1.36.3."""
    found = msgspec.json.decode(await kube.text("/version"))
    return str(found.get("gitVersion", "")) if isinstance(found, dict) else ""
