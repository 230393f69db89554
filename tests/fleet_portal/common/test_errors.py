from typing import Any

import pytest
from rest_framework.exceptions import NotAuthenticated, ValidationError

from fleet_portal.common.errors import ActionRefused, NotAllowed, NotVisible, api_error


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (
            ActionRefused("The name is taken: choose another.", field="name"),
            400,
            {"message": "The name is taken: choose another.", "field": "name"},
        ),
        (NotVisible(), 404, {"message": "Not found.", "field": None}),
        (NotAllowed(), 403, {"message": "Your role does not allow this.", "field": None}),
    ],
)
def test_an_error_for_people_becomes_an_answer(
    error: Exception, status: int, body: dict[str, object]
) -> None:
    answer = api_error(error, {})
    assert answer is not None
    assert (answer.status_code, answer.data) == (status, body)


def test_other_api_errors_stay_what_they_are() -> None:
    answer = api_error(NotAuthenticated(), {})
    assert answer is not None
    assert answer.status_code in (401, 403)


def test_a_bug_is_not_dressed_up_as_an_answer() -> None:
    assert api_error(ValueError("bug"), {}) is None


@pytest.mark.parametrize(
    ("detail", "message", "field"),
    [
        ({"name": ["Fill it in."]}, "Fill it in.", "name"),
        ({"placement": {"regions": {"0": ["Not text."]}}}, "Not text.", "placement.regions.0"),
        ([{}, {"operations": ["Not a list."]}], "Not a list.", "1.operations"),
        ({"non_field_errors": ["Not a mapping."]}, "Not a mapping.", None),
        (["Not a mapping."], "Not a mapping.", None),
        ("Too deep.", "Too deep.", None),
    ],
)
def test_every_refusal_has_one_shape(detail: Any, message: str, field: str | None) -> None:
    answer = api_error(ValidationError(detail), {})
    assert answer is not None
    assert (answer.data["message"], answer.data["field"]) == (message, field)
