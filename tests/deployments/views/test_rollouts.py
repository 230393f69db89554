"""Pages of rollouts: starting with waves, steering, one click back."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments import actions
from deployments.models import Application, Rollout
from tests.deployments.factories import (
    make_application,
    make_connected_cluster,
    make_revision,
    make_rollout,
)
from tests.deployments.views.people import client_of

pytestmark = pytest.mark.django_db

FORM = {
    "soak_seconds": "5", "max_failed": "0", "deadline_seconds": "600",
    "form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.fixture
def browser() -> Client:
    return client_of("operator")


@pytest.fixture
def app() -> Application:
    for name in ("eu-1", "eu-2"):
        make_connected_cluster(name)
    return make_application()


def start(browser: Client, **values: Any) -> HttpResponse:
    return browser.post("/apps/default/web/rollout/", {**FORM, **values})  # type: ignore[return-value]


def test_starts_with_waves(browser: Client, app: Application) -> None:
    response = start(browser, **{"form-0-name": "canary", "form-0-clusters": ["eu-1"]})
    rollout = Rollout.objects.get()
    assert response["Location"] == f"/rollouts/{rollout.pk}/"
    waves = rollout.waves.values_list("name", "soak_seconds")
    assert list(waves) == [("canary", 5.0), ("rest", 5.0)]


def test_a_refused_start_keeps_what_was_typed(browser: Client, app: Application) -> None:
    first = {"form-0-regions": ["eu"], "form-0-name": "all"}
    response = start(browser, **first, **{"form-1-name": "late", "form-1-clusters": ["eu-1"]})
    text = response.content.decode()
    assert response.status_code == 400
    assert "Wave “late” would be empty" in text
    assert 'value="late"' in text
    assert not Rollout.objects.exists()


def test_the_next_rollout_begins_with_the_waves_of_the_last(
    browser: Client, app: Application
) -> None:
    make_rollout(app, waves=[{"name": "canary", "clusters": ["eu-1"]}])
    text = browser.get("/apps/default/web/rollout/").content.decode()
    assert 'value="canary"' in text


def test_steers(browser: Client, app: Application) -> None:
    rollout = make_rollout(app)
    for event, state in (("pause", "paused"), ("resume", "running"), ("abort", "aborted")):
        browser.post(reverse("deployments:steer", args=[rollout.pk, event]))
        rollout.refresh_from_db()
        assert rollout.state == state


def test_a_step_that_does_not_apply_is_a_sentence(browser: Client, app: Application) -> None:
    rollout = make_rollout(app)
    response = browser.post(reverse("deployments:steer", args=[rollout.pk, "resume"]), follow=True)
    assert "is running: that can&#x27;t be done now." in response.content.decode()


@pytest.mark.parametrize(
    ("event", "method", "status"), [("explode", "post", 404), ("abort", "get", 405)]
)
def test_other_steps(
    browser: Client, app: Application, event: str, method: str, status: int
) -> None:
    address = reverse("deployments:steer", args=[make_rollout(app).pk, event])
    assert getattr(browser, method)(address).status_code == status


@pytest.fixture
def two_revisions(app: Application) -> Application:
    actions.advance_rollout(make_rollout(app).pk, timezone.now())
    make_revision(app)
    return app


def test_one_click_goes_back(browser: Client, two_revisions: Application) -> None:
    response = browser.post("/apps/default/web/back/1/", headers={"HX-Request": "true"})
    rollout = two_revisions.rollouts.first()
    assert rollout is not None
    assert (rollout.kind, rollout.revision.number) == ("rollback", 1)
    assert response["HX-Redirect"] == f"/rollouts/{rollout.pk}/"


def test_without_scripts_a_page_asks_first(browser: Client, two_revisions: Application) -> None:
    assert "Go back to revision 1" in browser.get("/apps/default/web/back/1/").content.decode()
    assert browser.post("/apps/default/web/back/1/").status_code == 302


def test_going_back_where_nothing_is_chosen_is_a_sentence(
    browser: Client, two_revisions: Application
) -> None:
    Application.objects.update(placement={"clusters": ["eu-9"]})
    response = browser.post("/apps/default/web/back/1/", follow=True)
    assert "matches none of the 2 clusters" in response.content.decode()
