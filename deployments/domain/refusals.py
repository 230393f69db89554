"""What an answer of the API server means for trying again. Pure.

Transient trouble is tried again soon and ever more slowly; a refusal of the content waits for new
content, but is asked again once in a while, since what refused it (RBAC, a webhook, a quota) is
outside and may change without a word.
"""

from __future__ import annotations

import re

from deployments.domain.words import Reason, Sync

# First wait, longest wait, in seconds.
_WAITS: dict[Reason, tuple[float, float]] = {
    Reason.TRANSPORT: (2, 300),
    Reason.THROTTLED: (2, 300),
    Reason.WEBHOOK_TIMEOUT: (2, 300),
    Reason.CONFLICT: (5, 300),
    Reason.API_MISSING: (2, 30),
    Reason.DEPENDENCY_MISSING: (2, 30),
    Reason.QUOTA: (60, 60),
    Reason.FORBIDDEN: (5, 60),
    Reason.OWNED_BY_OTHER: (60, 60),
    Reason.WEBHOOK_DENIED: (60, 600),
    Reason.INVALID: (60, 600),
    Reason.IMMUTABLE: (60, 600),
    Reason.TOO_LARGE: (600, 600),
}
_WAITING = frozenset({Reason.TRANSPORT, Reason.THROTTLED, Reason.WEBHOOK_TIMEOUT})
_WEBHOOK_DENIAL = re.compile(r'admission webhook "[^"]*" denied the request')
_POLICY_DENIAL = re.compile(r"ValidatingAdmissionPolicy '[^']*'.* denied request")


def reason_of(status: int, message: str) -> Reason:
    """Return the reason code for a refused call; `status` 0 means that nobody answered."""
    if status == 429:
        return Reason.THROTTLED
    if "failed calling webhook" in message:
        return Reason.WEBHOOK_TIMEOUT
    if _WEBHOOK_DENIAL.search(message) or _POLICY_DENIAL.search(message):
        return Reason.WEBHOOK_DENIED
    if status == 413 or "request is too large" in message or "must have at most" in message:
        return Reason.TOO_LARGE
    if status == 0 or status >= 500 or status == 408:
        return Reason.TRANSPORT
    if status in (401, 403):
        return Reason.QUOTA if "exceeded quota" in message else Reason.FORBIDDEN
    if status == 404:
        return Reason.DEPENDENCY_MISSING
    if status == 409:
        return Reason.CONFLICT
    return (
        Reason.IMMUTABLE
        if "immutable" in message or "forbidden: updates to" in message
        else (Reason.INVALID)
    )


def sync_of(reason: Reason) -> Sync:
    """Return the sync word for an object that was refused for `reason`."""
    if reason is Reason.API_MISSING:
        return Sync.WAITING_FOR_API
    return Sync.APPLYING if reason in _WAITING else Sync.BLOCKED


def wait_seconds(reason: Reason, attempt: int, asked: float | None = None) -> float:
    """Return how long to wait before attempt number `attempt` + 1 (the first is 1), no jitter.

    `asked` is the wait that the API server asked for; it prevails when longer.
    """
    first, longest = _WAITS.get(reason, (10.0, 300.0))
    doubled: float = min(longest, first * 2.0 ** min(attempt - 1, 16))
    return max(doubled, asked or 0)
