"""Answers become errors with the cluster's own words."""

import json

import pytest

from clusters.agent.kube_errors import (
    AgentKubeError,
    ApiConflict,
    ApiDenied,
    ApiGone,
    ApiInvalid,
    ApiNotFound,
    ApiOverloaded,
    ApiUnreachable,
    error_from_answer,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, ApiInvalid),
        (401, ApiDenied),
        (403, ApiDenied),
        (404, ApiNotFound),
        (405, ApiInvalid),
        (408, ApiUnreachable),
        (409, ApiConflict),
        (410, ApiGone),
        (422, ApiInvalid),
        (429, ApiOverloaded),
        (500, ApiUnreachable),
        (503, ApiUnreachable),
    ],
)
def test_each_status_has_its_class(status: int, kind: type[AgentKubeError]) -> None:
    assert type(error_from_answer(status, b"{}")) is kind


def test_the_clusters_words_are_kept() -> None:
    body = {"kind": "Status", "message": "pods is forbidden", "reason": "Forbidden"}
    error = error_from_answer(403, json.dumps(body).encode())
    assert (str(error), error.reason, error.status) == ("pods is forbidden", "Forbidden", 403)


def test_causes_are_at_hand() -> None:
    causes = [{"reason": "FieldManagerConflict", "message": "conflict", "field": ".spec"}]
    body = {"message": "x", "details": {"causes": causes}}
    assert error_from_answer(409, json.dumps(body).encode()).causes == causes


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff\xfe"])
def test_an_answer_that_is_no_status_is_told_as_text(body: bytes) -> None:
    assert str(error_from_answer(502, body))


@pytest.mark.parametrize(
    ("body", "header"), [(b"{}", "7"), (b'{"details": {"retryAfterSeconds": 7}}', None)]
)
def test_a_wait_that_is_asked_for_is_kept(body: bytes, header: str | None) -> None:
    error = error_from_answer(503, body, header)
    assert isinstance(error, ApiOverloaded)
    assert error.retry_after_seconds == 7


def test_a_date_as_wait_is_left_aside() -> None:
    error = error_from_answer(503, b"{}", "Wed, 21 Oct 2026 07:28:00 GMT")
    assert error.retry_after_seconds is None
