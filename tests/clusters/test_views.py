"""Pages of clusters and the pool, seen by an operator, a viewer and a stranger."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from clusters import actions
from clusters.models import Cluster, JoinToken, Node
from fleet_portal.common.models import AuditEntry, User
from tests.clusters.proofs import enroll
from tests.factories import make_cluster, make_node, make_project, make_scope, make_user

pytestmark = pytest.mark.django_db

WIZARD = {
    "name": "eu-1",
    "region": "eu",
    "labels": "tier=gold",
    "mode": "manage",
    "impersonation": "legacy",
    "scopes": "default: shop",
    "prometheus": "istio-system/prometheus:9090",
}


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def operator() -> Client:
    return logged_in(make_user("olga", role="operator"))


@pytest.fixture
def viewer() -> Client:
    """One who sees the project that has a scope in eu-1."""
    return logged_in(make_user("vera", role="viewer", project=make_project("default")))


@pytest.fixture
def stranger() -> Client:
    """One who works in a project without any cluster."""
    return logged_in(make_user("stan", role="operator", project=make_project("elsewhere")))


@pytest.fixture
def eu1() -> Cluster:
    cluster = make_cluster("eu-1")
    make_scope(make_project("default"), cluster, "shop")
    return cluster


PAGES = ["", "manifest/", "rules/"]


@pytest.mark.parametrize("page", PAGES)
def test_pages_of_a_cluster(
    eu1: Cluster, operator: Client, viewer: Client, stranger: Client, page: str
) -> None:
    address = f"/clusters/eu-1/{page}"
    answers = [client.get(address).status_code for client in (operator, viewer, stranger)]
    assert answers == [200, 200, 404]
    assert Client().get(address).status_code == 302


@pytest.mark.parametrize("page", ["settings/", "remove/"])
def test_pages_that_change_a_cluster(
    eu1: Cluster, operator: Client, viewer: Client, stranger: Client, page: str
) -> None:
    address = f"/clusters/eu-1/{page}"
    assert operator.get(address).status_code == 200
    assert viewer.get(address).status_code == 403
    assert stranger.get(address).status_code == 404


def test_an_operator_of_one_project_may_not_register(eu1: Cluster) -> None:
    client = logged_in(make_user(role="operator", project=make_project("default")))
    assert client.get("/clusters/new/").status_code == 403
    assert client.post("/clusters/eu-1/settings/", {"do": "rename", "name": "x"}).status_code == 403


def test_the_list_shows_what_each_may_see(
    eu1: Cluster, operator: Client, viewer: Client, stranger: Client
) -> None:
    make_cluster("us-1", region="us")
    names = [
        [name in client.get("/clusters/").content.decode() for name in ("eu-1", "us-1")]
        for client in (operator, viewer, stranger)
    ]
    assert names == [[True, True], [True, False], [False, False]]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("text=us", ["us-1"]),
        ("region=eu", ["eu-1"]),
        ("state=pending", ["eu-1", "us-1"]),
        ("state=lost", []),
        ("mode=manage&sort=-name", ["us-1", "eu-1"]),
        ("region=nowhere&page=x&sort=;drop", ["eu-1", "us-1"]),
    ],
)
def test_the_list_is_filtered(eu1: Cluster, operator: Client, query: str, shown: list[str]) -> None:
    make_cluster("us-1", region="us")
    text = operator.get(f"/clusters/?{query}").content.decode()
    found = sorted(
        (name for name in ("eu-1", "us-1") if f'href="/clusters/{name}/"' in text), key=text.index
    )
    assert found == shown


def test_the_list_names_every_row_to_the_socket(eu1: Cluster, operator: Client) -> None:
    text = operator.get("/clusters/").content.decode()
    assert f'id="clusters-row-{eu1.pk}"' in text
    assert "ws-connect" in text


# The wizard.


def test_the_wizard_answers_with_one_command(operator: Client) -> None:
    answer = operator.post("/clusters/new/", WIZARD, follow=True)
    text = answer.content.decode()
    assert answer.redirect_chain == [("/clusters/eu-1/", 302)]
    assert "curl -fsSk --pinnedpubkey &#x27;sha256//" in text
    assert "| kubectl apply -f -" in text


def test_a_viewer_does_not_see_the_command(operator: Client, viewer: Client) -> None:
    operator.post("/clusters/new/", WIZARD)
    assert "fpj_" not in viewer.get("/clusters/eu-1/").content.decode()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "Übel!", "can&#x27;t be a cluster&#x27;s name"),
        ("name", "new", "is a page of the portal"),
        ("name", "<script>alert(1)</script>", "can&#x27;t be a cluster&#x27;s name"),
        ("name", "taken", "There is a cluster named taken already"),
        ("region", "../../etc", "can&#x27;t be a region&#x27;s name"),
        ("labels", "no equals sign", "Write each label as key=value"),
        ("labels", "a=b\na=c", "is there twice"),
        ("labels", "bad key!=x", "is not valid"),
        ("labels", "key=val ue", "value of the label"),
        ("scopes", "default shop", "Write each project on a line"),
        ("scopes", "default: kube-system", "belongs to the cluster itself"),
        ("scopes", "default: Shop", "can&#x27;t be a namespace"),
        ("scopes", "nobody: shop", "There is no project named"),
        ("prometheus", "http://x", "Write Prometheus"),
        ("mode", "root", "Select a valid choice"),
    ],
)
def test_bad_input_keeps_what_was_typed(
    operator: Client, field: str, value: str, words: str
) -> None:
    make_cluster("taken")
    answer = operator.post("/clusters/new/", {**WIZARD, "labels": "keep=me", field: value})
    text = answer.content.decode()
    assert answer.status_code == 400
    assert words in text
    assert "<script>alert" not in text
    assert field == "labels" or "keep=me" in text
    assert Cluster.objects.count() == 1


def test_an_observed_cluster_gets_no_namespaces(operator: Client) -> None:
    operator.post("/clusters/new/", {**WIZARD, "mode": "observe"})
    assert Cluster.objects.get().scopes.count() == 0


# The manifest's address.


def fetch(token: str) -> Any:
    return Client().get(f"/join/{token}/fleet-agent.yaml")


def test_the_manifest_needs_no_login_and_may_be_fetched_again() -> None:
    join = actions.register_cluster(actor="test", name="eu-1")
    answers = [fetch(join.token) for _number in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0]["Content-Type"] == "text/yaml; charset=utf-8"
    assert join.token in answers[0].content.decode()
    assert JoinToken.objects.get().fetched_at is not None


def test_a_used_command_says_so_in_yaml() -> None:
    join = actions.register_cluster(actor="test", name="eu-1")
    enroll(join)
    answer = fetch(join.token)
    assert answer.status_code == 410
    assert answer.content.startswith(b"# This join command was used")


def test_a_late_command_says_so() -> None:
    join = actions.register_cluster(actor="test", name="eu-1")
    JoinToken.objects.update(expires_at=timezone.now())
    assert b"# This join command ran out" in fetch(join.token).content


@pytest.mark.parametrize("token", ["fpj_x", "x" * 500, "%00", "é"])
def test_an_unknown_command_says_so(token: str) -> None:
    answer = fetch(token)
    assert (answer.status_code, answer.content[:1]) == (404, b"#")


# Settings.


@pytest.mark.parametrize(
    ("data", "check"),
    [
        ({"do": "rename", "name": "eu-2"}, lambda cluster: cluster.name == "eu-2"),
        ({"do": "move", "region": "us"}, lambda cluster: cluster.region.name == "us"),
        ({"do": "label", "labels": "a=b"}, lambda cluster: cluster.labels == {"a": "b"}),
        ({"do": "label", "production": "on"}, lambda cluster: cluster.production),
        (
            {"do": "scope", "project": "default", "namespaces": "a, b"},
            lambda cluster: cluster.scopes.get().namespaces == ["a", "b"],
        ),
        (
            {"do": "rejoin", "mode": "use", "impersonation": "constrained"},
            lambda cluster: cluster.mode == "use" and cluster.join_tokens.count() == 1,
        ),
    ],
)
def test_each_setting_is_saved(
    eu1: Cluster, operator: Client, data: dict[str, str], check: Any
) -> None:
    assert operator.post("/clusters/eu-1/settings/", data).status_code == 302
    assert check(Cluster.objects.get())


def test_a_refused_setting_keeps_what_was_typed(eu1: Cluster, operator: Client) -> None:
    make_cluster("taken")
    answer = operator.post("/clusters/eu-1/settings/", {"do": "rename", "name": "taken"})
    assert answer.status_code == 400
    assert b"There is a cluster named taken already" in answer.content
    assert b'value="taken"' in answer.content


def test_an_unknown_button_is_refused(eu1: Cluster, operator: Client) -> None:
    assert operator.post("/clusters/eu-1/settings/", {"do": "explode"}).status_code == 400


def test_rules_are_confirmed(eu1: Cluster, operator: Client, viewer: Client) -> None:
    assert viewer.post("/clusters/eu-1/rules/").status_code == 403
    assert operator.post("/clusters/eu-1/rules/").status_code == 302
    assert "fleet:project:default" in Cluster.objects.get().listed_names["users"]


# Removal.


def test_a_dead_cluster_is_removed_and_what_stays_is_printed(
    eu1: Cluster, operator: Client
) -> None:
    answer = operator.post("/clusters/eu-1/remove/")
    assert b"kubectl delete namespace --ignore-not-found fleet-system" in answer.content
    assert not Cluster.objects.exists()
    assert AuditEntry.objects.filter(action="cluster.remove", object_name="eu-1").exists()


@pytest.mark.parametrize(("typed", "left"), [("", 1), ("eu-2", 1), ("eu-1", 0)])
def test_a_production_cluster_is_removed_by_its_name(
    eu1: Cluster, operator: Client, typed: str, left: int
) -> None:
    Cluster.objects.update(production=True)
    operator.post("/clusters/eu-1/remove/", {"typed_name": typed})
    assert Cluster.objects.count() == left


# The pool, and counting queries.


def test_the_pool_adds_up_what_answers(eu1: Cluster, operator: Client) -> None:
    make_node(eu1, zone="a", cpu_milli=4000, used_cpu_milli=1500)
    make_node(eu1, zone="b", cpu_milli=2000)
    Cluster.objects.update(
        tunnel_state="connected", connected_at=timezone.now(), last_frame_at=timezone.now()
    )
    text = operator.get("/pool/").content.decode()
    assert "4.5" in text
    assert "<meter" in text
    assert "style=" not in text


@pytest.mark.parametrize("address", ["/clusters/", "/pool/"])
def test_as_many_queries_for_300_rows_as_for_3(
    operator: Client, address: str, django_assert_max_num_queries: Any
) -> None:
    def fill(count: int) -> None:
        start = Cluster.objects.count()
        made = [make_cluster(f"c-{start + number}") for number in range(count)]
        Node.objects.bulk_create(Node(cluster=cluster, name="n", ready=True) for cluster in made)

    def count_queries() -> int:
        with django_assert_max_num_queries(40) as captured:
            assert operator.get(address).status_code == 200
        return len(captured)

    fill(3)
    few = count_queries()
    fill(297)
    assert count_queries() == few
