"""Who may reach which cluster, as whom; which agents get in."""

import asyncio
from typing import Any

import jwt
import pytest
from channels.db import database_sync_to_async
from django.db import connections
from django.utils import timezone

from clusters import actions, identity, keys
from clusters.link import LinkRefused
from clusters.models import AgentCertificate, Cluster, PersonToken
from tests.clusters.proofs import EnrolledAgent, enroll, make_request
from tests.factories import make_binding, make_project, make_scope, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> EnrolledAgent:
    join = actions.register_cluster(actor="test", name="eu-1", scopes={"default": ["shop"]})
    agent = enroll(join)
    token = join.cluster.join_tokens.get()
    actions.mark_manifest_fetched(token)
    agent.cluster.refresh_from_db()
    return agent


def ask(token: str, cluster: str = "eu-1", to: str = "api", **values: Any) -> dict[str, Any]:
    return identity.authorize(
        {"authorization": f"Bearer {token}", "cluster": cluster, "to": to, **values}
    )


def claims_of(answer: dict[str, Any], uid: str = "uid-1") -> dict[str, Any]:
    key = jwt.PyJWK(keys.assertion_jwks()[0])
    return jwt.decode(answer["assertion"], key, algorithms=["ES256"], audience=uid)


def token_of(user: Any) -> str:
    return actions.mint_person_token(user)[0]


# The portal's own work.


def test_the_observer_is_signed_for_one_cluster(agent: EnrolledAgent) -> None:
    answer = ask(identity.mint_internal_token("controller:observer", "eu-1"))
    claims = claims_of(answer)
    assert (claims["name"], claims["groups"]) == ("fleet:controller:observer", [])
    assert claims["exp"] - claims["iat"] == 300
    assert jwt.get_unverified_header(answer["assertion"])["typ"] == "fleet-assertion+jwt"


def test_a_project_may_only_dry_run(agent: EnrolledAgent) -> None:
    answer = ask(identity.mint_internal_token("project:default", "eu-1"))
    assert claims_of(answer)["dry_run_only"] is True


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (lambda: identity.mint_internal_token("controller:observer", "us-1"), 403),
        (lambda: identity.mint_internal_token("controller:observer", "eu-1", "agent"), 403),
        (lambda: identity.mint_internal_token("controller:observer", "eu-1")[:-2] + "xx", 401),
        (lambda: "fpi_nonsense", 401),
        (lambda: "fpt_nonsense", 401),
        (lambda: "whatever", 401),
        (lambda: "", 401),
    ],
)
def test_a_wrong_token_is_refused(agent: EnrolledAgent, token: Any, status: int) -> None:
    with pytest.raises(LinkRefused) as refused:
        ask(token())
    assert refused.value.status == status


def test_a_late_internal_token_is_refused(
    agent: EnrolledAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = identity.mint_internal_token("controller:observer", "eu-1")
    monkeypatch.setattr(identity, "INTERNAL_TOKEN_SECONDS", -1)
    with pytest.raises(LinkRefused, match="Log in"):
        ask(token)


@pytest.mark.parametrize("name", ["", "system:masters", "user:alice", "project:", "project:A b"])
def test_no_internal_token_for_other_names(name: str) -> None:
    with pytest.raises(ValueError, match="not an identity"):
        identity.mint_internal_token(name, "eu-1")


def test_basic_is_not_accepted(agent: EnrolledAgent) -> None:
    with pytest.raises(LinkRefused) as refused:
        identity.authorize({"authorization": "Basic YTpi", "cluster": "eu-1", "to": "api"})
    assert refused.value.status == 401


def test_only_controllers_speak_to_agents(agent: EnrolledAgent) -> None:
    with pytest.raises(LinkRefused, match="Only the portal's controllers"):
        ask(identity.mint_internal_token("project:default", "eu-1", "agent"), to="agent")


# People.


def test_an_operator_arrives_as_a_person_with_listed_groups(agent: EnrolledAgent) -> None:
    user = make_user("olga", role="operator")
    make_team("unlisted", members=(user,))
    claims = claims_of(ask(token_of(user), write=True))
    assert claims["name"] == "fleet:person"
    assert claims["groups"] == ["fleet:users", "fleet:role:viewer", "fleet:role:operator"]
    assert claims["extra"]["fleet-portal.io/login"] == ["olga"]
    assert claims["uid"] == f"user:{user.pk}"


def test_a_listed_login_arrives_under_its_own_name(agent: EnrolledAgent) -> None:
    names = agent.cluster.listed_names
    names["users"].append("fleet:user:olga")
    Cluster.objects.update(listed_names=names)
    claims = claims_of(ask(token_of(make_user("olga", role="viewer"))))
    assert claims["name"] == "fleet:user:olga"


def test_a_listed_team_is_carried(agent: EnrolledAgent) -> None:
    user = make_user()
    make_binding(team=make_team("web", members=(user,)), role="viewer")
    actions.confirm_names(agent.cluster, "test")
    assert "fleet:team:web" in claims_of(ask(token_of(user)))["groups"]


def test_a_role_on_a_project_is_no_role_group(agent: EnrolledAgent) -> None:
    user = make_user(role="operator", project=make_project("default"))
    assert claims_of(ask(token_of(user), write=True))["groups"] == ["fleet:users"]


def test_a_viewer_may_not_write(agent: EnrolledAgent) -> None:
    token = token_of(make_user(role="viewer"))
    assert ask(token)["assertion"]
    with pytest.raises(LinkRefused) as refused:
        ask(token, write=True)
    assert refused.value.status == 403


@pytest.mark.parametrize("cluster", ["eu-1", "no-such"])
def test_a_stranger_learns_nothing(agent: EnrolledAgent, cluster: str) -> None:
    other = make_user(role="operator", project=make_project("elsewhere"))
    with pytest.raises(LinkRefused) as refused:
        ask(token_of(other), cluster=cluster)
    assert (refused.value.status, refused.value.message) == (
        404,
        "There is no such cluster, or you may not see it.",
    )


def test_a_scope_lets_a_projects_people_in(agent: EnrolledAgent) -> None:
    project = make_project("elsewhere")
    user = make_user(role="viewer", project=project)
    make_scope(project, agent.cluster)
    assert ask(token_of(user))["person"] == user.username


def test_people_do_not_reach_an_observed_cluster(agent: EnrolledAgent) -> None:
    Cluster.objects.update(listed_names={"users": ["fleet:controller:observer"]})
    with pytest.raises(LinkRefused, match="joined to be observed"):
        ask(token_of(make_user(role="administrator")))


def test_people_do_not_speak_to_agents(agent: EnrolledAgent) -> None:
    with pytest.raises(LinkRefused, match="Only the portal itself"):
        ask(token_of(make_user(role="administrator")), to="agent")


def test_a_disabled_person_is_refused(agent: EnrolledAgent) -> None:
    user = make_user(role="administrator")
    token = token_of(user)
    user.is_active = False
    user.save()
    with pytest.raises(LinkRefused, match="Log in"):
        ask(token)


def test_a_late_token_is_refused(agent: EnrolledAgent) -> None:
    token = token_of(make_user(role="administrator"))
    PersonToken.objects.update(expires_at=timezone.now())
    with pytest.raises(LinkRefused, match="Log in"):
        ask(token)


def test_a_cluster_that_never_joined_cannot_be_reached() -> None:
    actions.register_cluster(actor="test", name="fresh")
    with pytest.raises(LinkRefused, match="no such cluster"):
        ask(token_of(make_user(role="administrator")), cluster="fresh")


# Agents.


def say_hello(agent: EnrolledAgent, uid: str = "uid-1", **claims: Any) -> dict[str, Any]:
    body = {"agent_jws": agent.proof(**claims), "hello": {"cluster_uid": uid}}
    return identity.hello(body, "192.0.2.1")


def test_an_enrolled_agent_is_welcome(agent: EnrolledAgent) -> None:
    answer = say_hello(agent)
    assert (answer["cluster"], answer["retry_window_seconds"]) == ("eu-1", 2.0)
    claims = claims_of({"assertion": answer["reports_assertion"]})
    assert (claims["to"], claims["name"]) == ("agent", "fleet:controller:observer")


def test_a_renamed_cluster_is_greeted_by_its_new_name(agent: EnrolledAgent) -> None:
    actions.rename_cluster(agent.cluster, "eu-2", "test")
    assert say_hello(agent)["cluster"] == "eu-2"


def test_a_copied_certificate_in_another_cluster_is_refused(agent: EnrolledAgent) -> None:
    with pytest.raises(LinkRefused) as refused:
        say_hello(agent, uid="uid-2")
    assert (refused.value.status, refused.value.close) == (409, 4409)


def test_a_proof_counts_once(agent: EnrolledAgent) -> None:
    body = {"agent_jws": agent.proof(), "hello": {"cluster_uid": "uid-1"}}
    identity.hello(body, "")
    with pytest.raises(LinkRefused, match="used before"):
        identity.hello(body, "")


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1_000_000_000, "iat": 999_999_990}, "not of this minute"),
        ({"iat": 9_000_000_000, "exp": 9_000_000_050}, "not of this minute"),
        ({"aud": "https://elsewhere"}, "not valid"),
        ({"exp": 9_000_000_000}, "used before"),
        ({"jti": "x" * 65}, "used before"),
    ],
)
def test_a_wrong_proof_is_refused(agent: EnrolledAgent, claims: dict[str, Any], words: str) -> None:
    with pytest.raises(LinkRefused, match=words) as refused:
        say_hello(agent, **claims)
    assert refused.value.close == 4401


def test_a_proof_by_another_key_is_refused(agent: EnrolledAgent) -> None:
    agent.key = make_request()[0]
    with pytest.raises(LinkRefused, match="not valid"):
        say_hello(agent)


@pytest.mark.parametrize("proof", ["", "a.b.c", "eyJhbGciOiJFUzI1NiJ9.e30.x", None])
def test_an_unreadable_proof_is_refused(proof: str | None) -> None:
    with pytest.raises(LinkRefused, match="cannot be read"):
        identity.hello({"agent_jws": proof, "hello": None}, "")


def test_a_revoked_certificate_is_refused(agent: EnrolledAgent) -> None:
    AgentCertificate.objects.update(revoked_at=timezone.now())
    with pytest.raises(LinkRefused) as refused:
        say_hello(agent)
    assert refused.value.close == 4403


def test_a_removed_clusters_agent_is_refused(agent: EnrolledAgent) -> None:
    actions.remove_cluster(agent.cluster, "test")
    with pytest.raises(LinkRefused, match="revoked"):
        say_hello(agent)


def test_the_gateways_own_certificate_is_no_agents(agent: EnrolledAgent) -> None:
    chain_path, _key_path = keys.ensure_gateway_certificate()
    agent.certificate_pem = chain_path.read_text()
    agent.key = keys.gateway_key()
    with pytest.raises(LinkRefused) as refused:
        say_hello(agent)
    assert refused.value.close == 4403


def test_an_agent_renews_with_its_present_certificate(agent: EnrolledAgent) -> None:
    agent_key, csr = make_request()
    body = {"agent_jws": agent.proof(), "csr_pem": csr, "cluster_uid": "uid-1"}
    answer = identity.enroll(body, "")
    renewed = EnrolledAgent(agent.cluster, agent_key, answer["certificate_pem"])
    assert say_hello(renewed)["cluster"] == "eu-1"


def test_an_enrolment_is_refused_with_a_sentence(agent: EnrolledAgent) -> None:
    _key, csr = make_request()
    with pytest.raises(LinkRefused, match="not known: make a new command"):
        identity.enroll({"token": "fpj_x", "csr_pem": csr, "cluster_uid": "uid-1"}, "")


def test_a_thousand_agents_spread_their_return(agent: EnrolledAgent) -> None:
    Cluster.objects.bulk_create(
        Cluster(name=f"c-{number}", uid=f"u-{number}") for number in range(349)
    )
    assert identity.retry_window_seconds() == 5.0


# Facts.


def test_facts_become_rows(agent: EnrolledAgent) -> None:
    identity.take_fact("connected", {"cluster": "eu-1", "session": "s1", "at": 1_800_000_000})
    report = {"kind": "api", "reachable": False, "since": 1_800_000_001, "message": "refused"}
    identity.take_fact("report", {"cluster": "eu-1", "session": "s1", "report": report})
    cluster = Cluster.objects.get()
    assert (cluster.tunnel_state, cluster.api_reachable) == ("connected", False)


def test_an_unknown_fact_is_skipped() -> None:
    identity.take_fact("weather", {"cluster": "eu-1"})


@pytest.mark.django_db(transaction=True)
def test_the_link_gets_answers_and_refusals() -> None:
    handlers = identity.IdentityHandlers()

    async def talk() -> int:
        await handlers.fact("closed", {"cluster": "nobody", "session": "s"})
        with pytest.raises(LinkRefused) as refused:
            await handlers.ask("authorize", {"authorization": None, "cluster": "x"}, "")
        await database_sync_to_async(connections.close_all)()
        return refused.value.status

    assert asyncio.run(talk()) == 401
    handlers.close()
