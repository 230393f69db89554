"""What the gateway asks: who is this, may they, sign it. And the facts that it tells.

Everything is denied when in doubt. An assertion is good for one cluster and five minutes; the
agent that verifies it alone writes Impersonate-* headers. Names never go beyond what the
cluster's manifest lists, because the cluster refuses a request with any other.

Two credentials are taken: tokens that the portal makes for its own work (signed, a minute), and
people's tokens `fpt_…` (15 minutes, hashed at rest). Basic is not one of them.
"""

import base64
import binascii
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from channels.db import database_sync_to_async
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core import signing
from django.db import connections
from django.utils import timezone

from clusters import actions, keys, queries, reports
from clusters.actions.events import hash_token
from clusters.actions.tokens import PERSON_TOKEN_PREFIX
from clusters.domain.names import (
    EXTRA_LOGIN,
    EXTRA_SESSION,
    MAX_GROUPS,
    OBSERVER,
    PERSON,
    USERS_GROUP,
    is_fleet_name,
    role_group,
    team_group,
)
from clusters.link import LinkRefused
from clusters.models import AgentCertificate, Cluster, PersonToken
from fleet_portal.common.access import Access, Role, access_of
from fleet_portal.common.models import User

ASSERTION_TYPE = "fleet-assertion+jwt"
ASSERTION_SECONDS = 300
AUTHORIZED_SECONDS = 60
INTERNAL_TOKEN_SECONDS = 60
INTERNAL_TOKEN_PREFIX = "fpi_"  # noqa: S105 - how such tokens begin
PROOF_SECONDS = 60
CLOCK_SKEW_SECONDS = 30
RETRY_WINDOW_AGENTS_A_SECOND = 70
CLOSE_UNAUTHORIZED, CLOSE_REVOKED, CLOSE_CONFLICT = 4401, 4403, 4409

_INTERNAL = re.compile(r"(controller|project):[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", re.ASCII)
_signer = signing.TimestampSigner(salt="fleet-portal.internal-token", sep="~")

Body = dict[str, Any]


@dataclass(frozen=True)
class Identity:
    """Who a request runs as in the cluster; `name` becomes Impersonate-User."""

    subject: str
    name: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
    dry_run_only: bool = False


# Assertions.


def make_assertion(identity: Identity, cluster: Cluster, to: str) -> tuple[str, float]:
    """Return the signed assertion for one cluster and when it ends (seconds since 1970)."""
    if not is_fleet_name(identity.name) or len(identity.groups) > MAX_GROUPS:
        raise LinkRefused(403, "Forbidden", "This identity can't be carried to a cluster.")
    now = int(time.time())
    claims = {
        "iss": "fleet-portal",
        "aud": cluster.uid,
        "iat": now,
        "exp": now + ASSERTION_SECONDS,
        "jti": secrets.token_urlsafe(12),
        "to": to,
        "sub": identity.subject,
        "name": identity.name,
        "groups": list(identity.groups),
        "uid": identity.subject,
        "extra": {key: list(values) for key, values in identity.extra},
        "dry_run_only": identity.dry_run_only,
    }
    return keys.sign(claims, ASSERTION_TYPE), float(now + ASSERTION_SECONDS)


def mint_internal_token(identity: str, cluster: str, to: str = "api") -> str:
    """Return a bearer token for the portal's own work, good for a minute and one cluster.

    `identity`: `controller:<name>` or `project:<slug>`; `to`: `api` or `agent`.
    """
    if not _INTERNAL.fullmatch(identity):
        raise ValueError(f"not an identity of the portal: {identity!r}")
    value = _signer.sign_object({"identity": identity, "cluster": cluster, "to": to})
    return INTERNAL_TOKEN_PREFIX + value


def _internal_identity(token: str, cluster: Cluster, to: str) -> Identity:
    try:
        claims = _signer.unsign_object(
            token.removeprefix(INTERNAL_TOKEN_PREFIX), max_age=INTERNAL_TOKEN_SECONDS
        )
    except signing.BadSignature:
        raise _unauthorized() from None
    if claims["cluster"] != cluster.name or claims["to"] != to:
        raise LinkRefused(403, "Forbidden", "This token is for another cluster or purpose.")
    identity = claims["identity"]
    kind = identity.partition(":")[0]
    if to == "agent" and kind != "controller":
        raise LinkRefused(403, "Forbidden", "Only the portal's controllers speak to agents.")
    # A project acts for real only through its signed set; the portal itself reads and dry-runs.
    return Identity(identity, f"fleet:{identity}", dry_run_only=kind == "project")


def _unauthorized() -> LinkRefused:
    sentence = "Log in: this request carries no credential that the portal takes, or a late one."
    return LinkRefused(401, "Unauthorized", sentence)


# People.


def _person_of(token: str) -> PersonToken:
    row = (
        PersonToken.objects.select_related("user")
        .filter(token_hash=hash_token(token), expires_at__gt=timezone.now())
        .first()
    )
    if row is None or not row.user.is_active:
        raise _unauthorized()
    return row


def _person_identity(user: User, access: Access, cluster: Cluster, session: str) -> Identity:
    """Return a person's identity with the groups they hold and the cluster lists.

    A role group comes of a role on everything only: in the cluster it means all namespaces.
    """
    listed_users = cluster.listed_names.get("users", [])
    own_name = f"fleet:user:{user.username}"
    held = [USERS_GROUP]
    held += [
        role_group(role.name.lower()) for role in Role if Role.NONE < role <= access.everywhere
    ]
    held += [
        team_group(slug) for slug in user.teams.order_by("slug").values_list("slug", flat=True)
    ]
    listed_groups = set(cluster.listed_names.get("groups", []))
    return Identity(
        subject=f"user:{user.pk}",
        name=own_name if own_name in listed_users else PERSON,
        groups=tuple(group for group in held if group in listed_groups),
        extra=((EXTRA_LOGIN, (user.username,)), (EXTRA_SESSION, (session,))),
    )


# What the gateway asks.


def authorize(body: Body) -> Body:
    """Judge one credential for one cluster. See `clusters.link` for the bodies."""
    scheme, _space, token = str(body.get("authorization") or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise _unauthorized()
    to = body.get("to")
    if to not in ("api", "agent"):
        raise LinkRefused(400, "BadRequest", "A request goes to the API or to the agent.")
    if token.startswith(INTERNAL_TOKEN_PREFIX):
        return _authorize_internal(token, body, to)
    if token.startswith(PERSON_TOKEN_PREFIX):
        return _authorize_person(token, body, to)
    raise _unauthorized()


def _authorize_internal(token: str, body: Body, to: str) -> Body:
    cluster = Cluster.objects.filter(name=str(body.get("cluster"))).exclude(uid="").first()
    if cluster is None:
        raise _no_such_cluster()
    identity = _internal_identity(token, cluster, to)
    return _answer(identity, cluster, to, identity.subject, identity.subject, "internal")


def _authorize_person(token: str, body: Body, to: str) -> Body:
    row = _person_of(token)
    access = access_of(row.user)
    cluster = Cluster.objects.filter(name=str(body.get("cluster"))).exclude(uid="").first()
    if cluster is None or not queries.may_reach(access, cluster, Role.VIEWER):
        raise _no_such_cluster()
    if to != "api":
        raise LinkRefused(403, "Forbidden", "Only the portal itself speaks to agents.")
    if PERSON not in cluster.listed_names.get("users", []):
        sentence = f"{cluster.name} was joined to be observed: people don't reach it this way."
        raise LinkRefused(403, "Forbidden", sentence)
    if body.get("write") and not queries.may_reach(access, cluster, Role.OPERATOR):
        sentence = "You may look at this cluster; to change things there, ask to be operator."
        raise LinkRefused(403, "Forbidden", sentence)
    identity = _person_identity(row.user, access, cluster, session=f"t{row.pk}")
    answer = _answer(identity, cluster, to, row.user.username, str(row.user.pk), f"t{row.pk}")
    left = max(0.0, row.expires_at.timestamp() - time.time())
    return {**answer, "cache_seconds": min(AUTHORIZED_SECONDS, left)}


def _no_such_cluster() -> LinkRefused:
    return LinkRefused(404, "NotFound", "There is no such cluster, or you may not see it.")


def _answer(
    identity: Identity, cluster: Cluster, to: str, person: str, person_id: str, token_id: str
) -> Body:
    assertion, expires_at = make_assertion(identity, cluster, to)
    return {
        "assertion": assertion,
        "person": person,
        "person_id": person_id,
        "token_id": token_id,
        "cluster_uid": cluster.uid,
        "expires_at": expires_at,
        "cache_seconds": AUTHORIZED_SECONDS,
    }


def enroll(body: Body, remote: str) -> Body:
    """Exchange a join token, or a present certificate, for a new certificate."""
    try:
        if body.get("agent_jws") and not body.get("token"):
            cluster = prove_agent(str(body["agent_jws"]), str(body.get("cluster_uid") or ""))
            enrolment = actions.renew_certificate(cluster, str(body.get("csr_pem")))
        else:
            enrolment = actions.enroll_agent(
                token=str(body.get("token") or ""),
                csr_pem=str(body.get("csr_pem") or ""),
                cluster_uid=str(body.get("cluster_uid") or ""),
                remote=remote,
            )
    except actions.EnrolmentRefused as refused:
        raise LinkRefused(refused.status, refused.reason, refused.sentence) from None
    return {
        "certificate_pem": enrolment.certificate_pem,
        "ca_pem": keys.authority().pem,
        "cluster": enrolment.cluster.name,
        "keys": keys.assertion_jwks(),
    }


def hello(body: Body, remote: str) -> Body:
    """Let a carrier in: the agent proves its key, and that it is in the cluster it enrolled in."""
    told = body.get("hello") or {}
    cluster = prove_agent(str(body.get("agent_jws") or ""), str(told.get("cluster_uid") or ""))
    return {
        "cluster": cluster.name,
        "session": secrets.token_urlsafe(16),
        "keys": keys.assertion_jwks(),
        "retry_window_seconds": retry_window_seconds(),
        "server_time": time.time(),
        "reports_assertion": reports_assertion(cluster),
    }


def reports_again(body: Body) -> Body:
    """Give a gateway that holds a carrier a new assertion for the agent's reports."""
    cluster = Cluster.objects.filter(name=str(body.get("cluster"))).exclude(uid="").first()
    if cluster is None:
        raise _no_such_cluster()
    return {"reports_assertion": reports_assertion(cluster)}


def reports_assertion(cluster: Cluster) -> str:
    identity = Identity("controller:observer", OBSERVER)
    return make_assertion(identity, cluster, "agent")[0]


def retry_window_seconds() -> float:
    """Return W of the rule for coming back: max(2, agents ÷ 70) seconds."""
    agents = Cluster.objects.exclude(uid="").count()
    return max(2.0, agents / RETRY_WINDOW_AGENTS_A_SECOND)


# The agent's proof.


def prove_agent(proof: str, cluster_uid: str) -> Cluster:
    """Return the cluster whose agent signed `proof` a moment ago.

    The chain in the header must come from this portal's authority, be in its time and not
    revoked; the proof itself is good for a minute, once, and for this portal alone.
    """
    certificate = _certificate_of(proof)
    now = timezone.now()
    if not keys.is_ours(certificate, now):
        raise _revoked("The agent's certificate is not this portal's, or its time has passed.")
    row = (
        AgentCertificate.objects.select_related("cluster")
        .filter(serial=keys.serial_of(certificate), revoked_at=None)
        .first()
    )
    if row is None:
        raise _revoked("The agent's certificate was revoked.")
    _spend(proof, certificate, now)
    if not row.cluster.uid or row.cluster.uid != cluster_uid:
        sentence = (
            f"This certificate belongs to {row.cluster.name}, which is another Kubernetes cluster:"
            " join this one under a name of its own."
        )
        raise LinkRefused(409, "Conflict", sentence, CLOSE_CONFLICT)
    return row.cluster


def _certificate_of(proof: str) -> x509.Certificate:
    try:
        chain = jwt.get_unverified_header(proof)["x5c"]
        return x509.load_der_x509_certificate(base64.b64decode(chain[0], validate=True))
    except (jwt.PyJWTError, KeyError, IndexError, TypeError, ValueError, binascii.Error):
        raise LinkRefused(
            401, "Unauthorized", "The agent's proof cannot be read.", CLOSE_UNAUTHORIZED
        ) from None


def _spend(proof: str, certificate: x509.Certificate, now: datetime) -> None:
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey):
        raise _revoked("The agent's certificate holds a key of another kind.")
    try:
        claims = jwt.decode(
            proof,
            public_key,
            algorithms=["ES256"],
            audience=[settings.FLEET_PUBLIC_URL, "fleet-portal"],
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": ["aud", "exp", "iat", "jti"]},
        )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        sentence = (
            f"The agent's proof is not of this minute: here it is {now:%Y-%m-%d %H:%M:%S} UTC;"
            " compare the clock of its node."
        )
        raise LinkRefused(401, "Unauthorized", sentence, CLOSE_UNAUTHORIZED) from None
    except jwt.PyJWTError:
        raise LinkRefused(
            401, "Unauthorized", "The agent's proof is not valid.", CLOSE_UNAUTHORIZED
        ) from None
    jti, life = str(claims["jti"]), claims["exp"] - claims["iat"]
    ends = datetime.fromtimestamp(claims["exp"] + 2 * CLOCK_SKEW_SECONDS, tz=UTC)
    if life > PROOF_SECONDS or len(jti) > 64 or not actions.spend_proof(jti, ends):
        raise LinkRefused(
            401, "Unauthorized", "The agent's proof was used before.", CLOSE_UNAUTHORIZED
        )


def _revoked(sentence: str) -> LinkRefused:
    return LinkRefused(
        403, "Forbidden", f"{sentence} Join the cluster again from its page.", CLOSE_REVOKED
    )


# What the gateway tells.


def take_fact(name: str, body: Body) -> None:
    """Write one fact of a gateway; unknown ones are of a newer gateway and skipped."""
    cluster = str(body.get("cluster") or "")
    session = str(body.get("session") or "")
    if name == "report":
        _take_report(cluster, session, body["report"])
    elif name == "connected":
        actions.record_connected(
            cluster,
            session,
            agent_version=str(body.get("agent_version") or ""),
            server_version=str(body.get("server_version") or ""),
            at=body.get("at"),
        )
    elif name == "closed":
        actions.record_closed(
            cluster,
            session,
            code=int(body.get("code") or 0),
            reason=str(body.get("reason") or ""),
            at=body.get("at"),
        )
    elif name == "liveness":
        actions.record_liveness(cluster, str(body.get("state")), body.get("last_frame_at"))
    elif name == "carriers":
        actions.record_carriers(body.get("carriers") or [])


def _take_report(name: str, session: str, report: Body) -> None:
    row = Cluster.objects.filter(session=session).first() if session else None
    row = row or Cluster.objects.filter(name=name).first()
    if row is not None and isinstance(report, dict):
        reports.dispatch(row.pk, report, timezone.now())


class IdentityHandlers:
    """Answers the link (`clusters.link.LinkHandlers`).

    Facts run on a thread of their own: they keep their order, and a page that renders on the
    shared database thread does not wait behind a thousand reports.
    """

    def __init__(self) -> None:
        self._facts = ThreadPoolExecutor(1, thread_name_prefix="facts")

    async def ask(self, name: str, body: Body, remote: str) -> Body:
        answers = {
            "authorize": lambda: authorize(body),
            "enroll": lambda: enroll(body, remote),
            "hello": lambda: hello(body, remote),
            "reports": lambda: reports_again(body),
        }
        answer = answers.get(name)
        if answer is None:
            raise LinkRefused(400, "BadRequest", f"The portal has no answer to {name!r}.")
        found: Body = await database_sync_to_async(answer)()
        return found

    async def fact(self, name: str, body: Body) -> None:
        await database_sync_to_async(take_fact, thread_sensitive=False, executor=self._facts)(
            name, body
        )

    def close(self) -> None:
        """End the thread of facts and its database connection."""
        self._facts.submit(connections.close_all)
        self._facts.shutdown()
