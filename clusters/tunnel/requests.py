"""Which requests may travel through the tunnel, and what they are. Pure; both ends use it.

Headers pass by an allowlist, so that nothing a client invents reaches an API server; identity
never travels as a header. The target travels as the client wrote it, after a check that leaves no
room for a second reading of the path. `parse_request` is the one place that says what a request
means: the portal's permission question, its access log and the agent's own limits all use it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

TARGET_MAX = 16 * 1024
HEADERS_MAX = 100

REQUEST_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "content-encoding",
        "content-length",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "kubectl-command",
        "kubectl-session",
        "origin",
        "range",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "traceparent",
        "user-agent",
        "x-stream-protocol-version",
    }
)
# Never passed back: what belongs to one hop, and cookies, which would be set on the portal.
_RESPONSE_DROPPED = frozenset(
    {
        "alt-svc",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# kube-apiserver takes such a subprotocol as a bearer token, even beside an Authorization header.
BEARER_SUBPROTOCOL = "base64url.bearer.authorization.k8s.io."

_REFUSED = ("impersonate-", "x-remote-")
_VALUE = re.compile(rb"[\t\x20-\x7e]*")
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")  # printable ASCII without "#"
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS = _READS | {"POST", "PUT", "PATCH", "DELETE"}
_ACTING = frozenset({"attach", "exec", "portforward", "proxy"})
# Creating one of these asks a question about the asker and changes nothing.
_QUESTIONS = frozenset(
    {"selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"}
)
_LONG_SUBRESOURCES = _ACTING | {"log"}


class RequestRefused(Exception):
    """The request may not pass; `status` and `reason` are those of the answer."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as Kubernetes reads it.

    `acts`: it changes something or reaches into a Pod, whatever its method (a WebSocket exec is a
    GET). `is_long`: it may stay open without an answer, as kube-apiserver counts it.
    """

    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    acts: bool = False
    is_long: bool = False


@lru_cache(maxsize=4096)
def parse_request(method: str, target: str) -> RequestInfo:
    """Return what `method target` asks of an API server (its own RequestInfo rules)."""
    path, _, query = target.partition("?")
    parts = [part for part in unquote(path).split("/") if part]
    reads = method in _READS
    if parts[:1] == ["api"] and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(verb=method.lower(), acts=not reads)
    legacy = rest[0] if rest[0] in ("watch", "proxy") else ""
    rest = rest[1:] if legacy else rest
    namespace, rest = _namespace(rest)
    resource, name, subresource = [*rest, "", "", ""][:3]
    verb = legacy or _verb(method, name, query)
    asks = verb == "create" and resource in _QUESTIONS
    return RequestInfo(
        verb=verb,
        group=group,
        version=version,
        namespace=namespace,
        resource=resource,
        name=name,
        subresource=subresource,
        acts=not (reads or asks) or verb == "proxy" or subresource in _ACTING,
        is_long=verb in ("watch", "proxy") or subresource in _LONG_SUBRESOURCES,
    )


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    if rest[:1] != ["namespaces"] or len(rest) < 2:
        return "", rest
    if len(rest) > 2 and rest[2] not in ("status", "finalize"):
        return rest[1], rest[2:]
    return rest[1], rest


def _verb(method: str, name: str, query: str) -> str:
    if method in ("GET", "HEAD"):
        if "watch" in query and _flag(query, "watch"):
            return "watch"
        return "get" if name else "list"
    if method == "DELETE" and not name:
        return "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(method, method.lower())


def _flag(query: str, name: str) -> bool:
    # The first value counts, and anything but "0" and "false" is yes: so reads kube-apiserver.
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key == name:
            return value.lower() not in ("0", "false")
    return False


def check_method(method: str) -> None:
    """Raise RequestRefused for methods an API server has no use for."""
    if method not in _METHODS:
        raise RequestRefused(405, "MethodNotAllowed", f"the method {method} is not served here")


@lru_cache(maxsize=4096)
def check_target(target: str) -> None:
    """Raise RequestRefused for a target that two programs could read differently.

    Refused in the path, plain or percent-encoded: `.` and `..` segments, `//`, a backslash, NUL.
    """
    if len(target) > TARGET_MAX:
        raise RequestRefused(414, "RequestURITooLong", "the request's address is too long")
    path = target.partition("?")[0]
    if not _TARGET.fullmatch(target):
        raise RequestRefused(400, "BadRequest", "the request's address has characters of no URL")
    if "%" in path or "//" in path or "/." in path or "\\" in path:
        decoded = unquote_to_bytes(path)
        segments = decoded.split(b"/")
        unclear = b"//" in decoded or b"\\" in decoded or b"\0" in decoded
        if unclear or b"." in segments or b".." in segments:
            raise RequestRefused(400, "BadRequest", "the request's path is not in its plain form")


@lru_cache(maxsize=1024)
def _judge(raw: bytes) -> str:
    """Return the lower-case name of a header that may pass, "" for one to drop."""
    name = raw.decode("latin-1").lower()
    if name.replace("_", "-").startswith(_REFUSED):
        raise RequestRefused(
            403, "Forbidden", f"{name} is not for clients: the portal alone says who is asking"
        )
    if "_" in name:
        raise RequestRefused(400, "BadRequest", f"the header {name[:80]} has an underscore")
    return name if name in REQUEST_HEADERS else ""


def request_headers(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the headers that travel on, names in lower case, order kept.

    Raises RequestRefused for Impersonate-*, X-Remote-*, names with `_`, values with bytes outside
    printable ASCII, and too many headers.
    """
    if len(headers) > HEADERS_MAX:
        raise RequestRefused(431, "RequestEntityTooLarge", "the request has too many headers")
    passed: list[tuple[str, str]] = []
    for raw, value in headers:
        if not (name := _judge(raw)):
            continue
        if not _VALUE.fullmatch(value):
            raise RequestRefused(400, "BadRequest", f"the header {name} has bytes of no text")
        text = value.decode("ascii")
        if name == "sec-websocket-protocol":
            text = _without_bearer(text)
        if text or name != "sec-websocket-protocol":
            passed.append((name, text))
    return passed


def _without_bearer(value: str) -> str:
    offers = [offer.strip() for offer in value.split(",")]
    return ", ".join(offer for offer in offers if not offer.startswith(BEARER_SUBPROTOCOL))


@lru_cache(maxsize=1024)
def _passes_back(raw: bytes) -> str:
    name = raw.decode("latin-1")
    return "" if name.lower() in _RESPONSE_DROPPED else name


def response_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return the response headers that travel back: all but those of one hop, and cookies."""
    return [
        (name, value.decode("latin-1")) for raw, value in headers if (name := _passes_back(raw))
    ]


def check_dry_run_only(method: str, target: str, has_body: bool) -> None:
    """Raise RequestRefused unless the request reads, or writes one whole object as a dry run.

    Subresources are refused (exec acts by GET, an eviction carries its own options), and so is
    a DELETE with a body: its DeleteOptions would outvote the query.
    """
    info = parse_request(method, target)
    if method in _READS and not info.acts:
        return
    query = parse_qsl(target.partition("?")[2], keep_blank_values=True)
    dry_run = [value for key, value in query if key == "dryRun"]
    whole = bool(info.resource) and not info.subresource
    if dry_run != ["All"] or not whole or (method == "DELETE" and has_body):
        raise RequestRefused(
            403, "Forbidden", "this identity may read, and write only with dryRun=All"
        )
