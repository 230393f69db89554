"""Who a bearer token belongs to: ServiceAccounts by signed tokens, administrators by fixed ones."""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field

import jwt

from fleet_portal.demo.apiserver.errors import unauthorized
from fleet_portal.demo.apiserver.kinds import BY_KIND
from fleet_portal.demo.apiserver.store import Object, Store

ACCOUNTS = BY_KIND["", "ServiceAccount"]
ISSUER = "https://kubernetes.default.svc.cluster.local"
AUTHENTICATED = "system:authenticated"
MASTERS = "system:masters"


@dataclass(frozen=True, slots=True)
class User:
    """The identity a request runs as."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: dict[str, list[str]] = field(default_factory=dict)

    @property
    def account(self) -> tuple[str, str] | None:
        """Return (namespace, name) of a ServiceAccount's user name, else None."""
        return account_of(self.name)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


def account_of(user_name: str) -> tuple[str, str] | None:
    parts = user_name.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"] and all(parts[2:]):
        return parts[2], parts[3]
    return None


def account_groups(namespace: str) -> tuple[str, ...]:
    return ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")


class Tokens:
    """Issues and checks the tokens of one cluster."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = secrets.token_bytes(32)
        self.admin = secrets.token_urlsafe(32)

    def issue(self, account: Object, seconds: int, audiences: list[str] | None = None) -> str:
        """Return a token of a ServiceAccount that lives for some seconds."""
        metadata = account["metadata"]
        now = int(time.time())
        name = f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}"
        claims = {
            "iss": ISSUER,
            "aud": audiences or [ISSUER],
            "sub": name,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": secrets.token_hex(16),
            "kubernetes.io": {
                "namespace": metadata["namespace"],
                "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
            },
        }
        return jwt.encode(claims, self._key, algorithm="HS256")

    def user_of(self, authorization: str) -> User:
        """Return who an Authorization header names. Raises ApiError 401 for a bad one."""
        if not authorization:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized()
        if hmac.compare_digest(token.strip().encode(), self.admin.encode()):
            return User("kubernetes-admin", (MASTERS, AUTHENTICATED))
        return self._account_user(token.strip())

    def _account_user(self, token: str) -> User:
        try:
            claims = jwt.decode(token, self._key, algorithms=["HS256"], audience=ISSUER)
        except jwt.PyJWTError as error:
            raise unauthorized() from error
        bound = claims["kubernetes.io"]
        namespace, name = bound["namespace"], bound["serviceaccount"]["name"]
        account = self._store.get(ACCOUNTS, namespace, name)
        if account is None or account["metadata"]["uid"] != bound["serviceaccount"]["uid"]:
            raise unauthorized()
        return User(
            claims["sub"],
            (*account_groups(namespace), AUTHENTICATED),
            account["metadata"]["uid"],
            {"authentication.kubernetes.io/credential-id": [f"JTI={claims['jti']}"]},
        )
