"""What the portal itself asks of a cluster: read, try (dry run), query its Prometheus, and talk to
its agent. It never changes anything in a cluster: agents do.

Every call goes through the gateway like anybody's, with a token for one cluster and one named
identity (`controller:observer`, `project:<slug>`), good for a minute; the cluster's RBAC decides.

KubeError              `str(error)` is what the cluster said, word for word
├── ClusterUnreachable no answer, the agent or the API server is away, too many requests: try later
├── KubeDenied         401, 403: RBAC, or the portal, says no
├── KubeNotFound       404: no such object, namespace or kind
├── KubeConflict       409: another field manager owns a field, or a stale version
└── KubeInvalid        400, 422 and any other refusal of the content
"""

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from django.conf import settings

from clusters import keys
from clusters.identity import mint_internal_token
from clusters.models import Cluster

logger = logging.getLogger(__name__)

FIELD_MANAGER = "fleet-portal"
OBSERVER = "controller:observer"
CALL_SECONDS = 10.0
PAGE_SIZE = 500
ANSWER_MAX_BYTES = 32 * 1024 * 1024
KINDS_SECONDS = 600.0  # how long a cluster's kinds are remembered
KINDS_MISS_SECONDS = 5.0  # a kind that is not there may come with a CustomResourceDefinition

KubeObject = dict[str, Any]


class KubeError(Exception):
    """Base of what may go wrong in a call; `status` is 0 where no answer came."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ClusterUnreachable(KubeError):
    """Nobody answers there now: try later."""


class KubeDenied(KubeError):
    """The cluster's RBAC or the portal says no."""


class KubeNotFound(KubeError):
    """There is no such object, namespace or kind."""


class KubeConflict(KubeError):
    """Another manager owns a field, or the object changed meanwhile."""


class KubeInvalid(KubeError):
    """The cluster refuses the content."""


_BY_STATUS = {401: KubeDenied, 403: KubeDenied, 404: KubeNotFound, 409: KubeConflict}
_PORTAL_SAYS = "fleet-portal:"  # how a refusal by the gateway itself begins
_LATER = frozenset({408, 429, 500, 502, 503, 504})


# Questions.


def get(
    cluster: Cluster, identity: str, api_version: str, kind: str, namespace: str, name: str
) -> KubeObject:
    """Return one object; `namespace` is empty for cluster-wide kinds."""
    path = _resource(cluster, identity, api_version, kind).path(namespace, name)
    return _call(cluster, identity, "GET", path)


def list_(
    cluster: Cluster,
    identity: str,
    api_version: str,
    kind: str,
    namespace: str = "",
    *,
    label_selector: str = "",
) -> list[KubeObject]:
    """Return all objects, page by page; an empty `namespace` means all namespaces."""
    path = _resource(cluster, identity, api_version, kind).path(namespace)
    return [item for page in _pages(cluster, identity, path, label_selector) for item in page]


def _pages(
    cluster: Cluster, identity: str, path: str, label_selector: str
) -> Iterator[list[KubeObject]]:
    query = {"limit": str(PAGE_SIZE)}
    if label_selector:
        query["labelSelector"] = label_selector
    while True:
        answer = _call(cluster, identity, "GET", f"{path}?{urlencode(query)}")
        yield answer.get("items") or []
        token = (answer.get("metadata") or {}).get("continue")
        if not token:
            return
        query["continue"] = token


def dry_run_apply(cluster: Cluster, identity: str, obj: KubeObject) -> KubeObject:
    """Return what the object would be after a server-side apply; nothing is changed."""
    metadata = obj.get("metadata") or {}
    api_version, kind = str(obj.get("apiVersion")), str(obj.get("kind"))
    resource = _resource(cluster, identity, api_version, kind)
    path = resource.path(str(metadata.get("namespace") or ""), str(metadata.get("name") or ""))
    query = urlencode({"fieldManager": FIELD_MANAGER, "dryRun": "All", "force": "false"})
    body = json.dumps(obj).encode()
    return _call(cluster, identity, "PATCH", f"{path}?{query}", body)


def query(cluster: Cluster, promql: str, at: float | None = None) -> list[dict[str, Any]]:
    """Return the result of an instant query to the cluster's own Prometheus.

    `at`: seconds since 1970, now if absent. Raises KubeNotFound where no Prometheus was named.
    """
    if not cluster.prometheus:
        raise KubeNotFound(f"{cluster.name} names no Prometheus.", 404)
    service = quote(f"{cluster.prometheus_service}:{cluster.prometheus_port}", safe=":")
    arguments = {"query": promql} if at is None else {"query": promql, "time": str(at)}
    path = (
        f"/api/v1/namespaces/{quote(cluster.prometheus_namespace, safe='')}/services/{service}"
        f"/proxy/api/v1/query?{urlencode(arguments)}"
    )
    answer = _call(cluster, OBSERVER, "GET", path)
    result = (answer.get("data") or {}).get("result")
    if answer.get("status") != "success" or not isinstance(result, list):
        raise KubeInvalid(str(answer.get("error") or "Prometheus gave no result.")[:500], 200)
    return result


def call_agent(
    cluster: Cluster, method: str, path: str, body: bytes, timeout_seconds: float = CALL_SECONDS
) -> tuple[int, bytes]:
    """Return status and body of one of the agent's own endpoints (`/v1/…`).

    Raises ClusterUnreachable where the agent is away; its own refusals are returned.
    """
    token = mint_internal_token(OBSERVER, cluster.name, "agent")
    url = f"{_base_url()}/agents/{quote(cluster.name, safe='')}{path}"
    status, answer = _send(method, url, token, body, timeout_seconds)
    if status >= 400 and _message(answer).startswith(_PORTAL_SAYS):
        raise _error(status, answer)
    return status, answer


# Kinds.


@dataclass(frozen=True)
class _Resource:
    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=":"))
        return "/".join(parts)


_Kinds = dict[str, _Resource]
# By the UID, since a name may pass to another cluster.
_known: dict[tuple[str, str], tuple[float, _Kinds]] = {}


def _resource(cluster: Cluster, identity: str, api_version: str, kind: str) -> _Resource:
    key = (cluster.uid, api_version)
    asked_at, kinds = _known.get(key, (0.0, {}))
    age = time.monotonic() - asked_at
    if age > (KINDS_SECONDS if kind in kinds else KINDS_MISS_SECONDS):
        kinds = _ask_kinds(cluster, identity, api_version)
        _known[key] = (time.monotonic(), kinds)
    if kind not in kinds:
        raise KubeNotFound(f"The cluster serves no {kind} in {api_version}.", 404)
    return kinds[kind]


def _ask_kinds(cluster: Cluster, identity: str, api_version: str) -> _Kinds:
    safe = "/".join(quote(part, safe="") for part in api_version.split("/"))
    root = f"/apis/{safe}" if "/" in api_version else f"/api/{safe}"
    try:
        listed = _call(cluster, identity, "GET", root)
    except KubeNotFound:
        return {}
    return {
        entry["kind"]: _Resource(root, entry["name"], bool(entry["namespaced"]))
        for entry in listed.get("resources") or []
        if "/" not in entry["name"]
    }


def forget_kinds() -> None:
    """Forget what clusters serve; the next call asks again."""
    _known.clear()


# Transport: the `kubernetes` package's client of one process, imported at the first call, because
# its import costs a second and tens of megabytes that most commands never need.

_transport: dict[str, Any] = {}
_transport_lock = threading.Lock()


def _base_url() -> str:
    return str(settings.FLEET_GATEWAY_URL)


def _client() -> Any:
    with _transport_lock:
        if "client" not in _transport:
            _transport["client"] = _make_client()
        return _transport["client"]


def _make_client() -> Any:
    import urllib3
    from kubernetes.client import Configuration
    from kubernetes.client.rest import RESTClientObject

    configuration = Configuration(host=_base_url())
    configuration.proxy = None  # the gateway is ours: no proxy stands between
    configuration.connection_pool_maxsize = 32
    # A redirect is refused: the gateway sends none, and tokens must not follow one.
    configuration.retries = urllib3.Retry(
        connect=1, read=0, redirect=0, status=0, other=0, raise_on_redirect=False
    )
    # The gateway is dialled where it listens, and proves the name that everybody knows.
    configuration.tls_server_name = keys.public_host()
    if not keys.has_public_certificate():
        configuration.ssl_ca_cert = str(keys.authority_file())
    return RESTClientObject(configuration)


def _call(
    cluster: Cluster, identity: str, method: str, path: str, body: bytes | None = None
) -> KubeObject:
    token = mint_internal_token(identity, cluster.name, "api")
    url = f"{_base_url()}/k8s/clusters/{quote(cluster.name, safe='')}{path}"
    status, answer = _send(method, url, token, body, CALL_SECONDS)
    if status >= 300:
        raise _error(status, answer)
    return _decoded(answer)


def _send(
    method: str, url: str, token: str, body: bytes | None, timeout_seconds: float
) -> tuple[int, bytes]:
    """Return status and body. Raises ClusterUnreachable."""
    import urllib3
    from kubernetes.client.exceptions import ApiException

    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if body is not None:
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/octet-stream"
        headers["Content-Type"] = kind
    try:
        answer = (
            _client()
            .request(method, url, headers=headers, body=body, _request_timeout=timeout_seconds)
            .response
        )
        data = answer.read(ANSWER_MAX_BYTES + 1)
    except (urllib3.exceptions.HTTPError, ApiException) as error:
        logger.info("the gateway does not answer: %s", error)
        raise ClusterUnreachable("The portal's gateway does not answer: try again.") from None
    if len(data) > ANSWER_MAX_BYTES:
        answer.close()
        raise KubeInvalid("The cluster's answer is larger than 32 MiB.", answer.status)
    answer.release_conn()
    return answer.status, data


def _decoded(answer: bytes) -> KubeObject:
    try:
        value = json.loads(answer)
    except ValueError:
        raise KubeInvalid("The cluster's answer is not JSON.", 200) from None
    if not isinstance(value, dict):
        raise KubeInvalid("The cluster's answer is not an object.", 200)
    return value


def _error(status: int, answer: bytes) -> KubeError:
    message = _message(answer) or f"The cluster answered {status}."
    # "No such cluster" is the portal's own 404, and says nothing about an object there.
    if status in _LATER or (status == 404 and message.startswith(_PORTAL_SAYS)):
        return ClusterUnreachable(message, status)
    return _BY_STATUS.get(status, KubeInvalid)(message, status)


def _message(answer: bytes) -> str:
    """Return what a metav1.Status, or Prometheus, says."""
    try:
        value = json.loads(answer)
    except ValueError:
        return answer[:300].decode(errors="replace")
    if not isinstance(value, dict):
        return ""
    return str(value.get("message") or value.get("error") or "")
