import pytest

from clusters.tunnel.requests import (
    RequestInfo,
    RequestRefused,
    check_dry_run_only,
    check_method,
    check_target,
    parse_request,
    request_headers,
    response_headers,
)


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/version", RequestInfo("get")),
        ("GET", "/api/v1", RequestInfo("get")),
        ("GET", "/api/v1/nodes", RequestInfo("list", "", "v1", resource="nodes")),
        ("GET", "/api/v1/nodes/n1", RequestInfo("get", "", "v1", resource="nodes", name="n1")),
        (
            "GET",
            "/apis/apps/v1/namespaces/app/deployments?watch=1",
            RequestInfo("watch", "apps", "v1", "app", "deployments", is_long=True),
        ),
        (
            "GET",
            "/api/v1/watch/namespaces/app/pods",
            RequestInfo("watch", "", "v1", "app", "pods", is_long=True),
        ),
        (
            "GET",
            "/api/v1/namespaces/app/pods?watch=false",
            RequestInfo("list", "", "v1", "app", "pods"),
        ),
        (
            "GET",
            "/api/v1/namespaces/app",
            RequestInfo("get", "", "v1", "app", "namespaces", "app"),
        ),
        (
            "PUT",
            "/api/v1/namespaces/app/finalize",
            RequestInfo("update", "", "v1", "app", "namespaces", "app", "finalize", acts=True),
        ),
        (
            "GET",
            "/api/v1/namespaces/app/pods/p/exec?command=sh",
            RequestInfo("get", "", "v1", "app", "pods", "p", "exec", acts=True, is_long=True),
        ),
        (
            "GET",
            "/api/v1/namespaces/app/pods/p/%65xec",
            RequestInfo("get", "", "v1", "app", "pods", "p", "exec", acts=True, is_long=True),
        ),
        (
            "GET",
            "/api/v1/namespaces/app/pods/p/log?follow=true",
            RequestInfo("get", "", "v1", "app", "pods", "p", "log", is_long=True),
        ),
        (
            "DELETE",
            "/api/v1/namespaces/app/pods",
            RequestInfo("deletecollection", "", "v1", "app", "pods", acts=True),
        ),
        (
            "PATCH",
            "/apis/apps/v1/namespaces/app/deployments/d/scale",
            RequestInfo("patch", "apps", "v1", "app", "deployments", "d", "scale", acts=True),
        ),
        (
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            RequestInfo(
                "create", "authorization.k8s.io", "v1", resource="selfsubjectaccessreviews"
            ),
        ),
    ],
)
def test_requests_mean_what_kubernetes_reads(
    method: str, target: str, expected: RequestInfo
) -> None:
    assert parse_request(method, target) == expected


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/api/v1/namespaces/app/pods?labelSelector=a%3Db&limit=500",
        "/api/v1/namespaces/app/services/http:web:80/proxy/a..b/c",
        "/openapi/v3/apis/apps/v1?hash=%2F..%2F",
        "/.well-known/openid-configuration",
    ],
)
def test_plain_targets_pass(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "api",
        "http://elsewhere/api",
        "/api/../secret",
        "/api/%2e%2e/secret",
        "/api/.%2E/secret",
        "/api/./v1",
        "/api//v1",
        "/api/%2fv1",
        "/api\\v1",
        "/api%5cv1",
        "/api%00",
        "/api\x7f",
        "/api v1",
        "/api\xe9",
        "/api#part",
        "/" + "a" * 16384,
    ],
)
def test_targets_with_two_readings_are_refused(target: str) -> None:
    with pytest.raises(RequestRefused):
        check_target(target)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "FOO"])
def test_other_methods_are_refused(method: str) -> None:
    with pytest.raises(RequestRefused):
        check_method(method)


def test_only_listed_headers_pass() -> None:
    headers = [
        (b"Host", b"portal"),
        (b"Accept", b"application/json"),
        (b"Authorization", b"Bearer secret"),
        (b"Cookie", b"sessionid=1"),
        (b"Connection", b"accept"),
        (b"X-Forwarded-For", b"1.2.3.4"),
        (b"Audit-ID", b"mine"),
        (b"Expect", b"100-continue"),
        (b"If-None-Match", b'"abc"'),
    ]
    assert request_headers(headers) == [
        ("accept", "application/json"),
        ("if-none-match", '"abc"'),
    ]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        (b"Impersonate-User", 403),
        (b"impersonate-extra-x", 403),
        (b"IMPERSONATE-GROUP", 403),
        (b"Impersonate_User", 403),
        (b"X-Remote-User", 403),
        (b"x-remote-extra-a", 403),
        (b"X_Remote_Group", 403),
        (b"Accept_Encoding", 400),
    ],
)
def test_headers_that_claim_an_identity_are_refused(name: bytes, status: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        request_headers([(name, b"system:masters")])
    assert refused.value.status == status


@pytest.mark.parametrize("value", [b"a\x0bb", b"a\x85b", b"a\nImpersonate-User: x", b"\0", b"\x7f"])
def test_values_that_are_no_text_are_refused(value: bytes) -> None:
    with pytest.raises(RequestRefused):
        request_headers([(b"User-Agent", value)])


def test_too_many_headers_are_refused() -> None:
    with pytest.raises(RequestRefused):
        request_headers([(b"Accept", b"*/*")] * 101)


def test_a_bearer_token_among_the_subprotocols_is_stripped() -> None:
    offered = b"v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.dG9rZW4, v4.channel.k8s.io"
    alone = b"base64url.bearer.authorization.k8s.io.dG9rZW4"
    headers = [(b"Sec-WebSocket-Protocol", offered), (b"Sec-WebSocket-Protocol", alone)]
    assert request_headers(headers) == [
        ("sec-websocket-protocol", "v5.channel.k8s.io, v4.channel.k8s.io")
    ]


def test_answers_lose_what_belongs_to_one_hop_and_cookies() -> None:
    headers = [
        (b"Content-Type", b"application/json"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Set-Cookie", b"sessionid=stolen"),
        (b"Connection", b"close"),
        (b"Audit-Id", b"1"),
    ]
    assert response_headers(headers) == [
        ("Content-Type", "application/json"),
        ("Audit-Id", "1"),
    ]


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/api/v1/namespaces/app/pods", False),
        ("PATCH", "/apis/apps/v1/namespaces/app/deployments/d?dryRun=All&force=true", True),
        ("POST", "/api/v1/namespaces/app/configmaps?dryRun=All", True),
        ("DELETE", "/api/v1/namespaces/app/configmaps/c?dryRun=All", False),
    ],
)
def test_dry_runs_pass(method: str, target: str, body: bool) -> None:
    check_dry_run_only(method, target, body)


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("PATCH", "/apis/apps/v1/namespaces/app/deployments/d", True),
        ("PATCH", "/apis/apps/v1/namespaces/app/deployments/d?dryRun=", True),
        ("PATCH", "/apis/apps/v1/namespaces/app/deployments/d?dryRun=All&dryRun=", True),
        ("DELETE", "/api/v1/namespaces/app/configmaps/c?dryRun=All", True),
        ("POST", "/api/v1/namespaces/app/pods/p/eviction?dryRun=All", True),
        ("POST", "/api/v1/namespaces/app/serviceaccounts/s/token?dryRun=All", True),
        ("GET", "/api/v1/namespaces/app/pods/p/exec?command=sh", False),
        ("GET", "/api/v1/namespaces/app/services/s/proxy/", False),
        ("GET", "/api/v1/proxy/namespaces/app/services/s", False),
        ("POST", "/version?dryRun=All", True),
    ],
)
def test_what_could_change_something_is_no_dry_run(method: str, target: str, body: bool) -> None:
    with pytest.raises(RequestRefused):
        check_dry_run_only(method, target, body)
