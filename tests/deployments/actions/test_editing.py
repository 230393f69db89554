"""Who changes it, and what can't be changed by hand."""

import pytest
from django.utils import timezone

from deployments.actions.editing import actor_name, editable
from deployments.models import Application
from fleet_portal.common.errors import ActionRefused
from tests.deployments.factories import make_application, make_connected_cluster
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"system": True}, "is the portal's own application"),
        ({"deleting_at": timezone.now()}, "is being deleted"),
    ],
)
def test_refuses_by_the_row_as_it_is_now(values: dict[str, object], sentence: str) -> None:
    make_connected_cluster("eu-1")
    application = make_application()
    Application.objects.update(**values)
    with pytest.raises(ActionRefused, match=sentence):
        editable(application)


def test_actors_are_named() -> None:
    assert actor_name(make_user("ada")) == "ada"
    assert actor_name("controller:mesh") == "controller:mesh"
    assert actor_name(None) == "anonymous"
