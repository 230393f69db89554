"""Forms of applications: what was typed is kept, what is wrong is said, nothing is half-saved."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from deployments import actions
from deployments.models import Application, Override, Target
from tests.deployments.factories import (
    DEPLOYMENT,
    WEB,
    make_application,
    make_connected_cluster,
    make_rollout,
)
from tests.deployments.views.people import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fleet() -> None:
    make_connected_cluster("eu-1")
    make_connected_cluster("us-1", region="us")


@pytest.fixture
def browser() -> Client:
    return client_of("operator")


def post(browser: Client, name: str, data: dict[str, Any]) -> HttpResponse:
    args = [] if name == "new" else ["default", "web"]
    return browser.post(reverse(f"deployments:{name}", args=args), data)  # type: ignore[return-value]


COMMON = {"name": "web", "project": "default", "namespace": "shop", "image": "r.example/web:1"}


def test_the_common_case(browser: Client) -> None:
    values = {**COMMON, "replicas": "3", "port": "8080", "env": "A=1", "regions": ["eu"]}
    response = post(browser, "new", values)
    assert response["Location"] == "/apps/default/web/preview/"
    application = Application.objects.get()
    assert application.placement == {"regions": ["eu"]}
    assert application.revisions.get().replicas == {WEB: 3}


def test_pasted_manifests(browser: Client) -> None:
    post(browser, "new", {**COMMON, "image": "", "manifests": DEPLOYMENT})
    assert Application.objects.get().revisions.get().number == 1


def test_uploaded_manifests(browser: Client) -> None:
    upload = SimpleUploadedFile("a.yaml", DEPLOYMENT.encode())
    post(browser, "new", {**COMMON, "image": "", "upload": upload})
    assert Application.objects.get().revisions.count() == 1


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("invalid YAML", {"image": "", "manifests": "a: [1"}, "This is not YAML"),
    ("neither", {"image": ""}, "Give an image, or paste or upload manifests."),
    ("both", {"manifests": DEPLOYMENT}, "empty one of the two"),
    ("no image", {"image": "two words"}, "is not an image"),
    ("hostile name", {"name": "<script>alert(1)</script>"}, "Use lower-case letters"),
    ("namespace of others", {"namespace": "kube-system"}, "may not use namespace kube-system"),
    ("variable", {"env": "no equals sign"}, "Line 1 is not a variable"),
    ("labels", {"selector": "a=b"}, "matches none of the 2 clusters"),
    ("labels that are none", {"selector": "a=b;c"}, "is not a condition on labels"),
    ("port", {"port": "99999"}, "less than or equal to 65535"),
    ("a project of others", {"project": "elsewhere"}, "Select a valid choice"),
]


@pytest.mark.parametrize(
    ("values", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_a_refusal_keeps_what_was_typed(
    browser: Client, values: dict[str, Any], sentence: str
) -> None:
    response = post(browser, "new", {**COMMON, "port": "8080", "note": "x", **values})
    text = response.content.decode()
    assert response.status_code == 400
    assert sentence in text
    assert "Nothing was saved yet." in text
    assert 'value="8080"' in text or values.get("port") == "99999"
    assert "<script>alert" not in text
    assert not Application.objects.exists()


def test_an_upload_that_is_refused_becomes_the_text(browser: Client) -> None:
    upload = SimpleUploadedFile("a.yaml", b"kind: Zebra\napiVersion: v1\nmetadata: {name: a}")
    response = post(browser, "new", {**COMMON, "image": "", "upload": upload})
    assert "kind: Zebra" in response.content.decode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"\xff\xfe\x00", "is not UTF-8 text"), (b"a" * (4 * 1024 * 1024 + 1), "at most 4 MiB")],
)
def test_uploads_that_are_no_manifests(browser: Client, content: bytes, sentence: str) -> None:
    upload = SimpleUploadedFile("a.yaml", content)
    response = post(browser, "new", {**COMMON, "image": "", "upload": upload})
    assert sentence in response.content.decode()


# An application that is there.


@pytest.fixture
def app() -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


def test_the_form_of_a_revision_holds_the_latest(browser: Client, app: Application) -> None:
    text = browser.get("/apps/default/web/revise/").content.decode()
    assert "image: r.example/web:1" in text
    assert "replicas: 2" in text


def test_saves_a_revision(browser: Client, app: Application) -> None:
    changed = DEPLOYMENT.replace("web:1", "web:2")
    post(browser, "revise", {"manifests": changed, "note": "newer"})
    assert app.revisions.first().note == "newer"  # type: ignore[union-attr]


def test_a_refused_revision_keeps_the_text(browser: Client, app: Application) -> None:
    response = post(browser, "revise", {"manifests": "a: 1\na: 2", "note": "kept"})
    assert "stands twice" in response.content.decode()
    assert 'value="kept"' in response.content.decode()
    assert app.revisions.count() == 1


def test_sets_the_placement(browser: Client, app: Application) -> None:
    post(browser, "placement", {"clusters": ["us-1"], "selector": ""})
    app.refresh_from_db()
    assert app.placement == {"clusters": ["us-1"]}


def test_an_empty_placement_is_refused(browser: Client, app: Application) -> None:
    response = post(browser, "placement", {})
    assert "The placement is empty" in response.content.decode()


FORMSET = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "0"}


def test_sets_overrides(browser: Client, app: Application) -> None:
    values = {"name": "us", "regions": ["us"], "tag": "9", "replicas": "1", "cpu_limit": "2"}
    post(browser, "overrides", {**FORMSET, **{f"form-0-{k}": v for k, v in values.items()}})
    assert Override.objects.get().operations == [
        {"op": "image", "tag": "9"},
        {"op": "replicas", "replicas": 1},
        {"op": "resources", "limits": {"cpu": "2"}},
    ]


def test_a_refused_override_keeps_what_was_typed(browser: Client, app: Application) -> None:
    values = {"name": "us", "regions": ["us"], "container": "nobody", "tag": "9"}
    response = post(
        browser, "overrides", {**FORMSET, **{f"form-0-{k}": v for k, v in values.items()}}
    )
    text = response.content.decode()
    assert response.status_code == 400
    assert "hits nothing" in text
    assert 'value="nobody"' in text
    assert not Override.objects.exists()


def test_overrides_can_be_removed(browser: Client, app: Application) -> None:
    app.overrides.create(
        name="o", selector={"regions": ["us"]}, operations=[{"op": "replicas", "replicas": 1}]
    )
    values = {"name": "o", "regions": ["us"], "replicas": "1", "DELETE": "on"}
    data = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1"}
    post(browser, "overrides", {**data, **{f"form-0-{k}": v for k, v in values.items()}})
    assert not Override.objects.exists()


def test_scales(browser: Client, app: Application) -> None:
    post(browser, "scale", {"count_0": "6"})
    assert Target.objects.get().replicas == {WEB: 6}


def test_deletes_after_asking(browser: Client, app: Application) -> None:
    assert "eu-1" in browser.get("/apps/default/web/delete/").content.decode()
    response = post(browser, "delete", {})
    assert response["Location"] == "/apps/"
    assert not Application.objects.exists()
