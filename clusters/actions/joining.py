"""From the wizard to a certificate: register, show the command, enrol, renew.

A join token is worth one enrolment within its life. It is taken by a conditional UPDATE, so of
two agents that come at once one gets in. The cluster is the kube-system UID it first came with.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clusters import keys, queries
from clusters.actions import checks
from clusters.actions.changing import write_scope
from clusters.actions.events import add_event, hash_token, tell_after_commit
from clusters.domain.labels import shown
from clusters.models import AgentCertificate, Cluster, JoinToken
from fleet_portal.common import audit
from fleet_portal.common.errors import ActionRefused
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import Project, User

JOIN_TOKEN_PREFIX = "fpj_"  # noqa: S105 - how such tokens begin
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}", re.ASCII)

Actor = User | str | None


@dataclass(frozen=True)
class Join:
    """A cluster that waits for its agent, and the token to be used once."""

    cluster: Cluster
    token: str
    expires_at: datetime


@dataclass(frozen=True)
class Enrolment:
    """What an agent gets for its token."""

    cluster: Cluster
    certificate_pem: str


class EnrolmentRefused(Exception):
    """The agent was refused; `status` is the HTTP answer, the sentence says what to do."""

    def __init__(self, status: int, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.reason = reason
        self.sentence = sentence


def register_cluster(
    *,
    actor: Actor,
    name: str,
    region: str = "",
    labels: Mapping[str, Any] | str | None = None,
    mode: str = "manage",
    impersonation: str = "legacy",
    production: bool = False,
    scopes: Mapping[str, list[str]] | None = None,
    prometheus: str = "istio-system/prometheus:9090",
) -> Join:
    """Make a cluster that waits for its agent.

    `labels`: a mapping or typed lines. `scopes`: project slug -> namespaces (manage mode).
    `prometheus`: namespace/service:port, or empty.
    """
    values = {
        "labels": checks.valid_labels(labels),
        "mode": checks.valid_choice(mode, Cluster.MODES, "mode"),
        "impersonation": checks.valid_choice(impersonation, Cluster.IMPERSONATION, "impersonation"),
        "production": bool(production),
        **checks.valid_prometheus(prometheus),
    }
    if scopes and mode != "manage":
        sentence = _("Only a cluster that is joined to be managed has namespaces for projects.")
        raise ActionRefused(sentence, "scopes")
    name = checks.free_name(name)
    try:
        with transaction.atomic():
            cluster = Cluster.objects.create(
                name=name, region=checks.region_named(region), **values
            )
            for slug, namespaces in (scopes or {}).items():
                write_scope(cluster, _project(slug), namespaces)
            token, expires_at = _new_token(cluster)
            add_event(cluster, "registered")
            audit.record(actor, "cluster.register", cluster, detail={"mode": mode})
            announce("cluster", cluster.pk, members=True)
    except IntegrityError:
        raise checks.name_taken(name) from None
    return Join(cluster, token, expires_at)


def _project(slug: str) -> Project:
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        sentence = _("There is no project named “%(slug)s”: make it first, or correct the name.")
        raise ActionRefused(sentence % {"slug": shown(slug)}, "scopes")
    return project


def _new_token(cluster: Cluster) -> tuple[str, datetime]:
    now = timezone.now()
    JoinToken.objects.filter(cluster=cluster, used_at=None, expires_at__gt=now).update(
        expires_at=now, sealed=b""
    )
    token = JOIN_TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = now + timedelta(seconds=settings.FLEET_JOIN_TOKEN_SECONDS)
    JoinToken.objects.create(
        cluster=cluster,
        token_hash=hash_token(token),
        sealed=keys.seal(token.encode()),
        expires_at=expires_at,
    )
    return token, expires_at


@transaction.atomic
def reissue_join(
    cluster: Cluster,
    actor: Actor,
    *,
    mode: str = "",
    impersonation: str = "",
    rebuilt: bool = False,
) -> Join:
    """Make a new join command for the same name; the agent that is there works on until then.

    `rebuilt`: the Kubernetes cluster behind the name is a new one, so its UID is forgotten.
    """
    values: dict[str, str] = {}
    if mode:
        values["mode"] = checks.valid_choice(mode, Cluster.MODES, "mode")
    if impersonation:
        ways = Cluster.IMPERSONATION
        values["impersonation"] = checks.valid_choice(impersonation, ways, "impersonation")
    if rebuilt:
        values["uid"] = ""
        revoke_certificates(cluster, "the cluster was rebuilt: join it again")
    if values:
        Cluster.objects.filter(pk=cluster.pk).update(**values)
        cluster.refresh_from_db()
    token, expires_at = _new_token(cluster)
    add_event(cluster, "join reissued")
    audit.record(actor, "cluster.rejoin", cluster, detail={"mode": cluster.mode})
    announce("cluster", cluster.pk)
    return Join(cluster, token, expires_at)


@transaction.atomic
def mark_manifest_fetched(token: JoinToken) -> None:
    """Note that the manifest went out, and which fleet names it lists."""
    cluster = token.cluster
    names = queries.names_wanted(cluster).as_json()
    if cluster.listed_names != names:
        Cluster.objects.filter(pk=cluster.pk).update(listed_names=names)
    if JoinToken.objects.filter(pk=token.pk, fetched_at=None).update(fetched_at=timezone.now()):
        announce("cluster", cluster.pk)


def enroll_agent(*, token: str, csr_pem: str, cluster_uid: str, remote: str) -> Enrolment:
    """Take the token and sign the agent's key. Raises EnrolmentRefused."""
    if not _UID.fullmatch(cluster_uid):
        raise EnrolmentRefused(400, "BadRequest", "The cluster's UID is missing or malformed.")
    try:
        public_key = keys.read_request(csr_pem)
    except keys.RequestInvalid as error:
        raise EnrolmentRefused(400, "BadRequest", f"Not enrolled: {error}.") from None
    now = timezone.now()
    with transaction.atomic():
        cluster = _take_token(token, cluster_uid, now)
        if cluster.joined_at is not None:
            revoke_certificates(cluster, "another agent joined under this name")
        certificate = keys.issue_agent_certificate(public_key, cluster_uid)
        _keep(cluster, certificate)
        Cluster.objects.filter(pk=cluster.pk).update(
            uid=cluster_uid,
            joined_at=cluster.joined_at or now,
            reached_at=now,
            access_passed=None,
            access_tested_at=None,
            access_checks=[],
        )
        add_event(cluster, "agent enrolled", remote)
        audit.record(f"agent:{cluster.name}", "cluster.enroll", cluster, detail={"remote": remote})
        announce("cluster", cluster.pk)
    return Enrolment(cluster, keys.certificate_pem(certificate))


def _find_token(token: str) -> JoinToken | None:
    return JoinToken.objects.select_related("cluster").filter(token_hash=hash_token(token)).first()


def _take_token(token: str, cluster_uid: str, now: datetime) -> Cluster:
    """Return the token's cluster, once. Raises EnrolmentRefused with the token left as it was."""
    row = _find_token(token)
    if row is None:
        sentence = "This join token is not known: make a new command on the cluster's page."
        raise EnrolmentRefused(401, "Unauthorized", sentence)
    cluster = row.cluster
    if row.used_at is not None:
        sentence = (
            f"This join token was used already: to join {cluster.name} again, make a new command"
            " on its page."
        )
        raise EnrolmentRefused(409, "Conflict", sentence)
    if row.expires_at <= now:
        sentence = (
            f"This join token ran out at {row.expires_at:%Y-%m-%d %H:%M} UTC: make a new command"
            f" on the page of {cluster.name}."
        )
        raise EnrolmentRefused(410, "Gone", sentence)
    if cluster.uid and cluster.uid != cluster_uid:
        sentence = (
            f"The name {cluster.name} belongs to another Kubernetes cluster, which joined"
            " earlier: register this one under a name of its own, or, if the cluster was rebuilt,"
            " use “Join again” with “rebuilt” on its page."
        )
        raise EnrolmentRefused(409, "Conflict", sentence)
    other = Cluster.objects.filter(uid=cluster_uid).exclude(pk=cluster.pk).first()
    if other is not None:
        sentence = (
            f"This Kubernetes cluster has joined as {other.name}: remove {other.name} in the"
            " portal first, or keep that name and delete the new one."
        )
        raise EnrolmentRefused(409, "Conflict", sentence)
    taken = JoinToken.objects.filter(pk=row.pk, used_at=None, expires_at__gt=now)
    if not taken.update(used_at=now, sealed=b""):
        raise EnrolmentRefused(409, "Conflict", "This join token was used a moment ago.")
    return cluster


def renew_certificate(cluster: Cluster, csr_pem: str) -> Enrolment:
    """Sign a new key for an agent that has proven itself with its present one."""
    try:
        public_key = keys.read_request(csr_pem)
    except keys.RequestInvalid as error:
        raise EnrolmentRefused(400, "BadRequest", f"Not renewed: {error}.") from None
    certificate = keys.issue_agent_certificate(public_key, cluster.uid)
    with transaction.atomic():
        _keep(cluster, certificate)
        audit.record(f"agent:{cluster.name}", "cluster.renew", cluster)
    return Enrolment(cluster, keys.certificate_pem(certificate))


def _keep(cluster: Cluster, certificate: Any) -> None:
    AgentCertificate.objects.create(
        cluster=cluster,
        serial=keys.serial_of(certificate),
        not_after=certificate.not_valid_after_utc,
    )


def revoke_certificates(cluster: Cluster, reason: str) -> None:
    """Refuse the cluster's present agent from now on, and end its connection."""
    now = timezone.now()
    AgentCertificate.objects.filter(cluster=cluster, revoked_at=None).update(revoked_at=now)
    body = {"cluster": cluster.name, "code": 4403, "reason": reason}
    tell_after_commit("disconnect", body)
    tell_after_commit("flush", {"cluster": cluster.name})
