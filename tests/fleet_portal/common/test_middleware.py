import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from fleet_portal.common.errors import ActionRefused, NotAllowed, NotVisible
from fleet_portal.common.middleware import RefusalMiddleware
from tests.factories import make_user


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [(NotVisible(), 404), (NotAllowed(), 403), (ActionRefused("Too late: ask again."), 400)],
)
def test_an_error_for_people_becomes_a_page(error: Exception, status: int) -> None:
    request = RequestFactory().get("/clusters/x/")
    request.user = make_user("ada")
    page = RefusalMiddleware(lambda request: HttpResponse()).process_exception(request, error)
    assert page is not None
    assert page.status_code == status


def test_a_bug_is_left_to_the_error_page() -> None:
    request = RequestFactory().get("/")
    middleware = RefusalMiddleware(lambda request: HttpResponse())
    assert middleware.process_exception(request, ValueError()) is None
