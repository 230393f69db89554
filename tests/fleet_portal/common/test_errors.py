import pytest
from rest_framework.exceptions import NotAuthenticated

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
