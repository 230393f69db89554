"""From the wizard to a certificate; tokens used twice, late, or in the wrong cluster."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.utils import timezone

from clusters import actions, keys
from clusters.actions.joining import EnrolmentRefused
from clusters.models import AgentCertificate, Cluster, ClusterEvent, JoinToken, Region
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.models import AuditEntry
from tests.clusters.conftest import Announced
from tests.clusters.proofs import enroll, make_request
from tests.factories import make_binding, make_cluster, make_project, make_team, make_user

pytestmark = pytest.mark.django_db


def register(name: str = "eu-1", **values: Any) -> actions.Join:
    return actions.register_cluster(actor="test", name=name, **values)


def try_enroll(token: str, uid: str = "uid-1", csr: str | None = None) -> actions.Enrolment:
    return actions.enroll_agent(
        token=token, csr_pem=csr or make_request()[1], cluster_uid=uid, remote="192.0.2.1"
    )


# Registering.


def test_a_cluster_waits_with_a_token(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    user = make_user("olga")
    with django_capture_on_commit_callbacks(execute=True):
        join = actions.register_cluster(
            actor=user, name="eu-1", region="eu", labels="a=b", scopes={"default": ["shop"]}
        )
    assert join.cluster.region == Region.objects.get(name="eu")
    assert join.cluster.scopes.get().namespaces == ["shop"]
    assert announced.named() == {str(join.cluster.pk), "members"}
    entry = AuditEntry.objects.get(action="cluster.register")
    assert (entry.actor, entry.object_name) == (user, "eu-1")


def test_nothing_is_announced_before_the_commit(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=False):
        register()
    assert announced.messages == []


def test_only_the_hash_and_a_sealed_token_are_kept() -> None:
    join = register()
    row = JoinToken.objects.get()
    assert join.token not in row.token_hash
    assert join.token.encode() not in bytes(row.sealed)
    assert keys.unseal(row.sealed).decode() == join.token


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"name": "eu-1"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x" * 51}, "name"),
        ({"name": "Eu"}, "name"),
        ({"name": "eu_1"}, "name"),
        ({"name": "eu-1\n"}, "name"),
        ({"name": "new"}, "name"),
        ({"name": "a", "region": "a/b"}, "region"),
        ({"name": "a", "labels": {"k": "v v"}}, "labels"),
        ({"name": "a", "labels": "nonsense"}, "labels"),
        ({"name": "a", "mode": "root"}, "mode"),
        ({"name": "a", "impersonation": "all"}, "impersonation"),
        ({"name": "a", "prometheus": "x"}, "prometheus"),
        ({"name": "a", "prometheus": "ns/svc:99999"}, "prometheus"),
        ({"name": "a", "mode": "observe", "scopes": {"default": ["x"]}}, "scopes"),
        ({"name": "a", "scopes": {"nobody": ["x"]}}, "scopes"),
        ({"name": "a", "scopes": {"default": ["kube-system"]}}, "namespaces"),
    ],
)
def test_what_cannot_be_registered_leaves_nothing(values: dict[str, Any], field: str) -> None:
    make_cluster("eu-1", region=None)
    with pytest.raises(ActionRefused) as refused:
        actions.register_cluster(actor="test", **{"region": "fresh", **values})
    assert refused.value.field == field
    assert Cluster.objects.count() == 1
    assert not Region.objects.exists()
    assert not AuditEntry.objects.exists()


# Enrolling.


def test_a_token_buys_one_certificate() -> None:
    join = register()
    enrolment = try_enroll(join.token)
    certificate = x509.load_pem_x509_certificate(enrolment.certificate_pem.encode())
    assert keys.is_ours(certificate, timezone.now())
    assert AgentCertificate.objects.get().serial == keys.serial_of(certificate)
    join.cluster.refresh_from_db()
    assert join.cluster.uid == "uid-1"
    assert join.cluster.joined_at is not None


def test_names_in_the_request_say_nothing() -> None:
    join = register()
    request = make_request(common_name="system:masters")[1]
    certificate = x509.load_pem_x509_certificate(
        try_enroll(join.token, csr=request).certificate_pem.encode()
    )
    assert "system:masters" not in certificate.subject.rfc4514_string()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://fleet-portal/agent/uid-1"
    ]


def request_of(key: Any) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    "csr",
    [
        "nonsense",
        "",
        request_of(rsa.generate_private_key(65537, 2048)),
        request_of(ec.generate_private_key(ec.SECP384R1())),
    ],
    ids=["nonsense", "empty", "rsa", "p-384"],
)
def test_another_key_is_refused_and_the_token_kept(csr: str) -> None:
    join = register()
    with pytest.raises(EnrolmentRefused, match="Not enrolled"):
        try_enroll(join.token, csr=csr or " ")
    assert try_enroll(join.token).cluster == join.cluster


def test_a_token_used_twice() -> None:
    join = register()
    try_enroll(join.token)
    with pytest.raises(EnrolmentRefused, match="used already") as refused:
        try_enroll(join.token)
    assert refused.value.status == 409


def test_a_token_too_late() -> None:
    join = register()
    JoinToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(EnrolmentRefused, match="ran out at") as refused:
        try_enroll(join.token)
    assert refused.value.status == 410


def test_two_at_once_and_one_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reads the row before the first takes it: the conditional UPDATE decides."""
    join = register()
    first = JoinToken.objects.select_related("cluster").get()
    try_enroll(join.token)
    monkeypatch.setattr("clusters.actions.joining._find_token", lambda token: first, raising=True)
    with pytest.raises(EnrolmentRefused, match="a moment ago"):
        try_enroll(join.token)


@pytest.mark.parametrize("uid", ["", "a b", "x" * 64, "../x"])
def test_a_malformed_uid_is_refused(uid: str) -> None:
    with pytest.raises(EnrolmentRefused, match="UID") as refused:
        try_enroll(register().token, uid=uid)
    assert refused.value.status == 400


def test_a_name_belongs_to_the_cluster_that_joined_first() -> None:
    join = register()
    try_enroll(join.token)
    again = actions.reissue_join(join.cluster, "test")
    with pytest.raises(EnrolmentRefused, match="belongs to another Kubernetes cluster") as refused:
        try_enroll(again.token, uid="uid-2")
    assert refused.value.status == 409
    assert JoinToken.objects.filter(used_at=None).exists()


def test_a_cluster_has_one_agent() -> None:
    try_enroll(register().token)
    with pytest.raises(EnrolmentRefused, match="has joined as eu-1"):
        try_enroll(register("eu-2").token)


# Joining again.


def test_joining_again_replaces_the_agent(
    announced: Announced, django_capture_on_commit_callbacks: Any
) -> None:
    join = register()
    first = enroll(join)
    again = actions.reissue_join(first.cluster, "test")
    with django_capture_on_commit_callbacks(execute=True):
        second = enroll(again)
    revoked = AgentCertificate.objects.filter(revoked_at=None)
    assert [row.serial for row in revoked] == [
        keys.serial_of(x509.load_pem_x509_certificate(second.certificate_pem.encode()))
    ]
    assert announced.words("disconnect")[0]["code"] == 4403


def test_a_new_command_ends_the_old_one() -> None:
    join = register()
    actions.reissue_join(join.cluster, "test")
    with pytest.raises(EnrolmentRefused, match="ran out"):
        try_enroll(join.token)


def test_a_rebuilt_cluster_takes_its_old_name() -> None:
    join = register()
    enroll(join)
    join.cluster.refresh_from_db()
    again = actions.reissue_join(join.cluster, "test", rebuilt=True)
    assert enroll(again, uid="uid-2").cluster.uid == "uid-2"
    assert AgentCertificate.objects.filter(revoked_at=None).count() == 1


def test_the_mode_may_change_with_a_new_command() -> None:
    join = register()
    actions.reissue_join(join.cluster, "test", mode="observe", impersonation="constrained")
    cluster = Cluster.objects.get()
    assert (cluster.mode, cluster.impersonation) == ("observe", "constrained")


# Names, renewal.


def test_fetching_the_manifest_notes_which_names_it_lists() -> None:
    join = register(scopes={"default": ["shop"]})
    make_binding(team=make_team("web"), role="viewer", project=make_project("default"))
    make_binding(team=make_team("far"), role="viewer", project=make_project("elsewhere"))
    make_team("idle")
    actions.mark_manifest_fetched(JoinToken.objects.get())
    names = Cluster.objects.get(pk=join.cluster.pk).listed_names
    assert names["users"][-1] == "fleet:project:default"
    assert [name for name in names["groups"] if "team" in name] == ["fleet:team:web"]


def test_renewal_adds_a_certificate() -> None:
    agent = enroll(register())
    actions.renew_certificate(agent.cluster, make_request()[1])
    assert AgentCertificate.objects.filter(revoked_at=None).count() == 2


def test_renewal_with_another_key_is_refused() -> None:
    agent = enroll(register())
    with pytest.raises(EnrolmentRefused, match="Not renewed"):
        actions.renew_certificate(agent.cluster, "nonsense")


def test_the_way_in_is_on_record() -> None:
    enroll(register())
    assert [event.kind for event in ClusterEvent.objects.order_by("pk")] == [
        "registered",
        "agent enrolled",
    ]
    assert AuditEntry.objects.filter(actor_name="agent:eu-1", action="cluster.enroll").exists()
