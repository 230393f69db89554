"""Each live part: drawn for who may see it, gone for others, and of one cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters.models import Cluster
from deployments import actions
from deployments.fragments import ListKey
from deployments.models import Application, Rollout, Target
from deployments.queries import ApplicationFilter
from fleet_portal.common.access import access_of
from fleet_portal.common.live.fragments import matches, registry
from tests.deployments.factories import (
    make_application,
    make_connected_cluster,
    make_rollout,
    report_well,
    send_away,
)
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_connected_cluster("eu-1")


@pytest.fixture
def app(cluster: Cluster) -> Application:
    application = make_application()
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


def draw(name: str, key: object = "", role: str = "viewer", project: str = "") -> str:
    user = make_user(role=role, project=make_project(project) if project else None)
    return registry[name].render(access_of(user), str(key))


def test_the_list_shows_counts(cluster: Cluster, app: Application) -> None:
    report_well(cluster)
    text = draw("deployments-list", ListKey(ApplicationFilter()).pack())
    assert "1 / 1" in text
    assert "all well" in text


def test_a_key_of_the_list_reads_back() -> None:
    key = ListKey(ApplicationFilter(text="ä/&", system=True), 3)
    assert ListKey.unpack(key.pack()) == key


def test_the_matrix_shows_ready_counts_and_the_refusal(cluster: Cluster, app: Application) -> None:
    said = 'deployments.apps is forbidden: User "fleet:project:default"'
    report_well(cluster, sync="blocked", reason="Forbidden", message=said, ready=1, desired=3)
    text = draw("deployments-targets", f"{app.pk}-1")
    assert "1 / 3" in text
    assert "deployments.apps is forbidden: User &quot;fleet:project:default&quot;" in text
    assert "the cluster does not allow it" in text


def test_the_matrix_says_since_when_a_cluster_is_away(cluster: Cluster, app: Application) -> None:
    report_well(cluster)
    send_away(cluster)
    text = draw("deployments-targets", f"{app.pk}-1")
    assert "Lost" in text
    assert "tone-ok" not in text.replace("in sync", "").partition("unknown")[2]


def test_hostile_text_of_a_cluster_is_escaped(cluster: Cluster, app: Application) -> None:
    seen = {"kind": "<b>", "name": "<i>", "sync": "x", "health": "y", "message": "<script>"}
    report_well(cluster, message="<script>alert(1)</script>", objects=[{**seen, "drift": ["<p>"]}])
    text = draw("deployments-targets", f"{app.pk}-1")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "<p>" not in text


def test_revisions_offer_the_way_back_to_operators_only(app: Application) -> None:
    actions.save_revision("test", app, [{"apiVersion": "v1", "kind": "ConfigMap",
                                         "metadata": {"name": "a"}}])  # fmt: skip
    assert "Back to 1" in draw("deployments-revisions", app.pk, "operator")
    assert "Back to 1" not in draw("deployments-revisions", app.pk, "viewer")


def test_the_rollout_says_why_it_waits(app: Application) -> None:
    text = draw("deployments-rollout", Rollout.objects.get().pk)
    assert "eu-1 has not confirmed that it took the content." in text


@pytest.mark.parametrize(
    "name",
    ["deployments-head", "deployments-targets", "deployments-revisions", "deployments-placement"],
)
def test_strangers_get_nothing(app: Application, name: str) -> None:
    key = f"{app.pk}-1" if name == "deployments-targets" else app.pk
    assert "web" not in draw(name, key, project="tea")
    assert registry[name].context(access_of(make_user(role="viewer")), str(key)) is not None


def test_strangers_get_no_rollout(app: Application) -> None:
    key = str(Rollout.objects.get().pk)
    stranger = access_of(make_user(role="viewer", project=make_project("tea")))
    assert registry["deployments-rollout"].context(stranger, key) is None


@pytest.mark.parametrize("key", ["", "x", "-1", "99999", "1;drop"])
def test_odd_keys_draw_nothing(key: str) -> None:
    access = access_of(make_user(role="viewer"))
    assert registry["deployments-head"].context(access, key) is None


def test_the_home_panel_names_trouble(app: Application) -> None:
    Target.objects.update(sync="blocked", message="forbidden")
    text = draw("deployments-home")
    assert "forbidden" in text
    assert "Rollout" in text


@pytest.mark.parametrize(
    ("name", "key", "kind", "ids", "redrawn"),
    [
        ("deployments-list", "x", "application", ["7"], True),
        ("deployments-head", "7", "application", ["7"], True),
        ("deployments-head", "7", "application", ["8"], False),
        ("deployments-targets", "7-2", "application", ["7"], True),
        ("deployments-rollout", "7", "rollout", ["7"], True),
        ("deployments-rollout", "7", "rollout", ["8"], False),
        ("deployments-rollouts", "1", "rollout", ["8"], True),
    ],
)
def test_what_redraws_a_fragment(
    name: str, key: str, kind: str, ids: list[str], redrawn: bool
) -> None:
    assert matches(registry[name].topics(key), kind, ids) is redrawn


def test_fragments_hold_no_form_fields(app: Application) -> None:
    keys = {
        "deployments-list": ListKey(ApplicationFilter()).pack(),
        "deployments-targets": f"{app.pk}-1",
        "deployments-rollout": str(Rollout.objects.get().pk),
        "deployments-rollouts": "1",
        "deployments-home": "",
    }
    names = [name for name in registry.names() if name.startswith("deployments-")]
    for name in names:
        text = draw(name, keys.get(name, str(app.pk)), "operator")
        assert not any(tag in text for tag in ("<input", "<select", "<textarea", "<form")), name


def test_parts_cost_the_same_for_few_and_many_clusters() -> None:
    access = access_of(make_user(role="viewer"))

    def cost(count: int) -> int:
        for number in range(count):
            make_connected_cluster(f"c{count}-{number}")
        application = make_application(f"web-{count}")
        rollout = make_rollout(application)
        actions.advance_rollout(rollout.pk, timezone.now())
        with CaptureQueriesContext(connection) as captured:
            registry["deployments-head"].render(access, str(application.pk))
            registry["deployments-targets"].render(access, f"{application.pk}-1")
            registry["deployments-placement"].render(access, str(application.pk))
            registry["deployments-rollout"].render(access, str(rollout.pk))
            registry["deployments-rollouts"].render(access, "1")
            registry["deployments-home"].render(access, "")
        return len(captured)

    assert cost(3) == cost(60)


@pytest.mark.parametrize(("role", "offered"), [("operator", True), ("viewer", False)])
def test_steering_is_drawn_for_operators_only(app: Application, role: str, offered: bool) -> None:
    text = draw("deployments-steer", Rollout.objects.get().pk, role)
    assert ("steer-abort" in text) is offered


def test_steering_goes_when_the_rollout_ends(app: Application) -> None:
    rollout = Rollout.objects.get()
    actions.abort_rollout("test", rollout)
    assert "<button" not in draw("deployments-steer", rollout.pk, "operator")
