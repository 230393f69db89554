"""The dispatch loop against agents in memory: what is sent, when, and what is made of answers."""

from datetime import timedelta

import jwt
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clusters import keys
from clusters.models import Cluster
from deployments import actions
from deployments.dispatch import Dispatcher, due_sets, parcels_of
from deployments.models import Application, DesiredSet, Target
from tests.deployments.factories import (
    CONFIG,
    FakeAgents,
    bring_back,
    deployment,
    make_application,
    make_connected_cluster,
    make_rollout,
    send_away,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def cluster() -> Cluster:
    return make_connected_cluster("eu-1")


@pytest.fixture
def app(cluster: Cluster) -> Application:
    application = make_application(manifests=[deployment(), CONFIG])
    actions.advance_rollout(make_rollout(application).pk, timezone.now())
    return application


def step() -> None:
    Dispatcher(lanes=0).step()


def held() -> DesiredSet:
    return DesiredSet.objects.get()


def test_sends_the_set_and_the_content_the_agent_lacks(
    app: Application, agents: FakeAgents
) -> None:
    step()
    claims = agents.sets["eu-1/default"]
    assert (claims["aud"], claims["project"], claims["sequence"]) == ("uid-eu-1", "default", 1)
    assert agents.applications("eu-1") == ["web"]
    wanted = {entry["digest"] for entry in claims["applications"][0]["objects"]}
    assert set(agents.blobs) == wanted
    assert due_sets() == {}


def test_the_set_is_signed_by_the_portal(app: Application, agents: FakeAgents) -> None:
    step()
    jwk = jwt.PyJWK(keys.assertion_jwks()[0])
    token = agents.tokens[0].decode()
    claims = jwt.decode(token, jwk.key, algorithms=["ES256"], audience="uid-eu-1")
    assert "exp" not in claims
    assert jwt.get_unverified_header(token)["typ"] == "fleet-desired-set+jwt"


def test_equal_content_is_not_sent_again(app: Application, agents: FakeAgents) -> None:
    step()
    before = len(agents.calls)
    step()
    assert len(agents.calls) == before


def test_known_content_is_not_sent_again(app: Application, agents: FakeAgents) -> None:
    step()
    agents.calls.clear()
    actions.scale_application("test", app, {"apps/Deployment/shop/web": 5})
    step()
    assert [method + path for _name, method, path in agents.calls] == ["PUT/v1/desired/default"]
    replicas = agents.sets["eu-1/default"]["applications"][0]["replicas"]
    assert replicas == {"apps/Deployment/shop/web": 5}


def test_all_applications_of_a_project_travel_together(
    app: Application, agents: FakeAgents
) -> None:
    second = make_application("api")
    actions.advance_rollout(make_rollout(second).pk, timezone.now())
    step()
    assert agents.applications("eu-1") == ["api", "web"]
    assert len([call for call in agents.calls if "desired" in call[2]]) == 1


def test_a_deleted_application_leaves_the_set(app: Application, agents: FakeAgents) -> None:
    step()
    actions.delete_application("test", app)
    step()
    assert agents.applications("eu-1") == []
    assert Target.objects.get().removing


# Trouble.


def test_clusters_that_are_away_are_not_called(
    app: Application, cluster: Cluster, agents: FakeAgents
) -> None:
    send_away(cluster)
    step()
    assert agents.calls == []


def test_nobody_answers_and_it_is_tried_later(app: Application, agents: FakeAgents) -> None:
    agents.away.add("eu-1")
    step()
    row = held()
    assert (row.reason, row.message, row.attempts) == ("Transport", "nobody answers", 1)
    assert due_sets() == {}
    agents.away.clear()
    DesiredSet.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    step()
    assert (held().reason, held().attempts) == ("", 0)


def test_the_agents_refusal_is_kept_in_its_words(app: Application, agents: FakeAgents) -> None:
    agents.answer = (403, b'{"message": "The signature is not known here."}')
    step()
    assert (held().reason, held().message) == ("Refused", "The signature is not known here.")


def test_one_cluster_in_trouble_does_not_hold_the_others(
    app: Application, agents: FakeAgents
) -> None:
    make_connected_cluster("eu-2")
    actions.advance_rollout(make_rollout(app).pk, timezone.now())
    agents.away.add("eu-1")
    step()
    assert "eu-2/default" in agents.sets


def test_an_agent_with_a_newer_set_is_overtaken(app: Application, agents: FakeAgents) -> None:
    agents.sets["eu-1/default"] = {"epoch": 7, "sequence": 90, "applications": []}
    step()
    step()
    assert agents.sets["eu-1/default"]["epoch"] == 8
    assert agents.applications("eu-1") == ["web"]


# Back again.


def test_an_agent_that_comes_back_with_its_set_is_only_asked(
    app: Application, cluster: Cluster, agents: FakeAgents
) -> None:
    step()
    agents.calls.clear()
    bring_back(cluster, "s2")
    step()
    assert [path for _name, _method, path in agents.calls] == ["/v1/status"]
    assert held().acked_session == "s2"


def test_an_agent_that_comes_back_empty_is_sent_everything(
    app: Application, cluster: Cluster, agents: FakeAgents
) -> None:
    step()
    agents.sets.clear()
    agents.blobs.clear()
    bring_back(cluster, "s2")
    step()
    assert agents.applications("eu-1") == ["web"]
    assert len(agents.blobs) == 2


def test_a_set_that_somebody_else_sends_is_left_alone(app: Application, agents: FakeAgents) -> None:
    actions.claim_sets([held().pk], "another controller", timezone.now())
    step()
    assert agents.calls == []


def test_a_crash_after_sending_sends_the_same_sequence_again(
    app: Application, agents: FakeAgents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(actions, "note_outcomes", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Dispatcher(lanes=0, owner="me").step()
    Dispatcher(lanes=0, owner="me").step()
    assert agents.sets["eu-1/default"]["sequence"] == 1
    assert held().acked_sequence == 1


@pytest.mark.django_db(transaction=True)
def test_many_clusters_are_sent_to_by_lanes(agents: FakeAgents) -> None:
    for number in range(12):
        make_connected_cluster(f"eu-{number}")
    actions.advance_rollout(make_rollout(make_application()).pk, timezone.now())
    dispatcher = Dispatcher(lanes=3)
    dispatcher.step()
    dispatcher.close()
    assert len(agents.sets) == 12
    assert due_sets() == {}


def test_a_step_costs_the_same_for_few_and_many_clusters(agents: FakeAgents) -> None:
    def cost(count: int) -> int:
        for number in range(count):
            make_connected_cluster(f"eu-{count}-{number}")
        application = make_application(f"web-{count}")
        actions.advance_rollout(make_rollout(application).pk, timezone.now())
        rows = actions.claim_sets(
            [pk for pks in due_sets().values() for pk in pks], "me", timezone.now()
        )
        with CaptureQueriesContext(connection) as captured:
            parcels_of(rows)
        return len(captured)

    assert cost(3) == cost(30) == 2
