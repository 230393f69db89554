"""Short credentials: people's tokens for `/k8s/`, and proofs that count once."""

import secrets
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from clusters.actions.events import hash_token
from clusters.models import JoinToken, PersonToken, SpentProof
from fleet_portal.common import audit
from fleet_portal.common.live.topics import announce
from fleet_portal.common.models import User

PERSON_TOKEN_PREFIX = "fpt_"  # noqa: S105 - how such tokens begin
PERSON_TOKEN_LIFE = timedelta(minutes=15)


@transaction.atomic
def mint_person_token(user: User) -> tuple[str, datetime]:
    """Return a new token of the user, and when it ends."""
    token = PERSON_TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = timezone.now() + PERSON_TOKEN_LIFE
    PersonToken.objects.create(user=user, token_hash=hash_token(token), expires_at=expires_at)
    audit.record(user, "token.mint", user)
    return token, expires_at


def spend_proof(jti: str, expires_at: datetime) -> bool:
    """Take a proof's id; False when it was taken before."""
    try:
        with transaction.atomic():
            SpentProof.objects.create(jti=jti, expires_at=expires_at)
    except IntegrityError:
        return False
    return True


def drop_expired(now: datetime) -> None:
    """Forget credentials whose time has passed; pages that show a join command draw it again."""
    SpentProof.objects.filter(expires_at__lt=now).delete()
    PersonToken.objects.filter(expires_at__lt=now).delete()
    late = JoinToken.objects.filter(expires_at__lt=now).exclude(sealed=b"")
    clusters = list(late.values_list("cluster_id", flat=True))
    if clusters:
        with transaction.atomic():
            late.update(sealed=b"")
            announce("cluster", *clusters)
