import json

import pytest

from clusters.gateway.statuses import UNAUTHENTICATED, refusal_of_reset, status_body
from clusters.tunnel.frames import ResetCode


@pytest.mark.parametrize(
    ("code", "status", "reason"),
    [
        (ResetCode.UPSTREAM_CONNECT, 502, "InternalError"),
        (ResetCode.UPSTREAM_TIMEOUT, 504, "Timeout"),
        (ResetCode.UPSTREAM_EOF, 502, "InternalError"),
        (ResetCode.POLICY, 403, "Forbidden"),
        (ResetCode.IDENTITY, 403, "Forbidden"),
        (ResetCode.OVERLOAD, 429, "TooManyRequests"),
        (ResetCode.REVOKED, 403, "Forbidden"),
        (ResetCode.INTERNAL, 502, "InternalError"),
        (ResetCode.FLOW_CONTROL, 502, "InternalError"),
        (9999, 502, "InternalError"),
    ],
)
def test_each_reset_has_its_answer(code: int, status: int, reason: str) -> None:
    refusal = refusal_of_reset(code, "")
    assert (refusal.status, refusal.reason) == (status, reason)


def test_the_agents_words_are_kept() -> None:
    assert refusal_of_reset(ResetCode.POLICY, "only dry runs").message.endswith(": only dry runs")


def test_a_status_is_one_that_kubectl_reads() -> None:
    status = json.loads(status_body(UNAUTHENTICATED, "r-1"))
    assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", 401)
    assert status["message"].startswith("fleet-portal: ")
    assert status["message"].endswith("(request r-1)")
