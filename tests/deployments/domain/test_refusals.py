"""What an answer means, and when to try again."""

import pytest

from deployments.domain.refusals import reason_of, sync_of, wait_seconds
from deployments.domain.words import Reason, Sync


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (0, "The API server is not reached", Reason.TRANSPORT),
        (503, "etcdserver: leader changed", Reason.TRANSPORT),
        (429, "too many requests", Reason.THROTTLED),
        (500, 'failed calling webhook "x": context deadline exceeded', Reason.WEBHOOK_TIMEOUT),
        (403, 'admission webhook "x" denied the request: no', Reason.WEBHOOK_DENIED),
        (400, 'admission webhook "x" denied the request: no', Reason.WEBHOOK_DENIED),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
         Reason.WEBHOOK_DENIED),
        (403, 'deployments.apps is forbidden: User "x" cannot patch', Reason.FORBIDDEN),
        (401, "Unauthorized", Reason.FORBIDDEN),
        (403, 'pods "x" is forbidden: exceeded quota: q', Reason.QUOTA),
        (404, 'namespaces "x" not found', Reason.DEPENDENCY_MISSING),
        (409, 'conflict with "kubectl"', Reason.CONFLICT),
        (413, "Request entity too large", Reason.TOO_LARGE),
        (500, "etcdserver: request is too large", Reason.TOO_LARGE),
        (422, "Too long: must have at most 1048576 bytes", Reason.TOO_LARGE),
        (422, "spec.selector: Invalid value: field is immutable", Reason.IMMUTABLE),
        (422, "forbidden: updates to statefulset spec for fields other than", Reason.IMMUTABLE),
        (422, "spec.replicas: Invalid value", Reason.INVALID),
        (400, "unknown field", Reason.INVALID),
    ],
)  # fmt: skip
def test_reasons(status: int, message: str, reason: Reason) -> None:
    assert reason_of(status, message) is reason


@pytest.mark.parametrize(
    ("reason", "sync"),
    [
        (Reason.API_MISSING, Sync.WAITING_FOR_API),
        (Reason.TRANSPORT, Sync.APPLYING),
        (Reason.FORBIDDEN, Sync.BLOCKED),
        (Reason.INVALID, Sync.BLOCKED),
    ],
)
def test_a_refusal_has_its_word(reason: Reason, sync: Sync) -> None:
    assert sync_of(reason) is sync


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.NONE])
def test_waits_grow_to_a_limit(reason: Reason) -> None:
    waits = [wait_seconds(reason, attempt) for attempt in range(1, 40)]
    assert waits == sorted(waits)
    assert 0 < waits[-1] <= 600


def test_a_wait_that_the_api_server_asks_for_prevails_when_longer() -> None:
    assert wait_seconds(Reason.THROTTLED, 1, 30) == 30
    assert wait_seconds(Reason.THROTTLED, 9, 1) == 300
