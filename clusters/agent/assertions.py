"""Who a request is for: the portal's signed word, checked here, and the headers made from it.

The portal signs for one cluster and for five minutes. Only what such an assertion says becomes an
Impersonate-* header, and only this module writes them: nothing a client sends can. Names outside
`fleet:` are refused whatever is signed, because a name such as system:kube-controller-manager
would be cluster-admin (and an empty one would be the agent's own account).
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt
from jwt import PyJWK

ASSERTION_TYPE = "fleet-assertion+jwt"
ISSUER = "fleet-portal"
ASSERTION_MAX_BYTES = 8 * 1024
LIFE_MAX_SECONDS = 300
# The clocks of a cluster and of the portal are rarely the same.
LEEWAY_SECONDS = 30
GROUPS_MAX = 64
EXTRAS_MAX = 3
CACHE_MAX = 4096

_NAME = re.compile(r"fleet:[a-z0-9._:@-]{1,120}")
_EXTRA_KEY = re.compile(r"fleet-portal\.io/[a-z0-9-]{1,40}")
_PLAIN = re.compile(r"[\x21-\x7e]{1,200}")


class AssertionInvalid(Exception):
    """The token is not the portal's, not for this cluster, too old, or names nobody of ours."""


class KeySet:
    """The portal's public keys, as learned at enrolment, in WELCOME and in UPDATE."""

    def __init__(self, audience: str, jwks: Iterable[Mapping[str, Any]] = ()) -> None:
        self.audience = audience
        self.jwks: list[dict[str, Any]] = []
        self._keys: dict[str, PyJWK] = {}
        self.replace(jwks)

    def replace(self, jwks: Iterable[Mapping[str, Any]]) -> bool:
        """Trust these keys and no others; False when they were the same. Keeps only ES256."""
        kept = [dict(jwk) for jwk in jwks if jwk.get("kty") == "EC" and jwk.get("kid")]
        if not kept or kept == self.jwks:
            return False
        keys = {str(jwk["kid"]): PyJWK(jwk, algorithm="ES256") for jwk in kept}
        self.jwks, self._keys = kept, keys
        return True

    def verify(self, token: str, typ: str) -> dict[str, Any]:
        """Return the claims of a token of this type. Raises AssertionInvalid."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != typ:
                raise AssertionInvalid(f"a token of type {header.get('typ')!r}")
            key = self._keys.get(str(header.get("kid")))
            if key is None:
                raise AssertionInvalid("signed with a key this agent does not know")
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["ES256"],
                audience=self.audience,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options={"require": ["aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise AssertionInvalid(str(error)) from None
        return claims


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion. `header_block` holds the Impersonate-* lines, each with its CRLF."""

    name: str
    to: str
    expires_at: float
    dry_run_only: bool
    header_block: bytes


class Verifier:
    """Checks assertions; one that was good is remembered until it ends."""

    def __init__(self, keys: KeySet) -> None:
        self._keys = keys
        self._known: dict[str, Assertion] = {}

    def verify(self, token: str, wall: float) -> Assertion:
        """Return the assertion in `token` at the time of day `wall`. Raises AssertionInvalid."""
        known = self._known.get(token)
        if known is None:
            known = self._read(token)
            if len(self._known) >= CACHE_MAX:
                self._known.clear()
            self._known[token] = known
        if wall > known.expires_at + LEEWAY_SECONDS:
            del self._known[token]
            raise AssertionInvalid("the assertion has ended")
        return known

    def forget(self) -> None:
        """Check everything anew: the keys have changed."""
        self._known.clear()

    def _read(self, token: str) -> Assertion:
        if len(token) > ASSERTION_MAX_BYTES:
            raise AssertionInvalid("the assertion is too long")
        claims = self._keys.verify(token, ASSERTION_TYPE)
        try:
            issued_at, expires_at = float(claims["iat"]), float(claims["exp"])
            if expires_at - issued_at > LIFE_MAX_SECONDS:
                raise AssertionInvalid("the assertion lives too long")
            return Assertion(
                name=str(claims["name"]),
                to=str(claims["to"]),
                expires_at=expires_at,
                dry_run_only=must_only_dry_run(claims),
                header_block=impersonation(claims),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise AssertionInvalid(f"the assertion lacks something: {error!r}") from None


def must_only_dry_run(claims: Mapping[str, Any]) -> bool:
    """Whether the request may change nothing.

    True for every project, whatever is signed: real changes of a project come from its signed
    desired set alone.
    """
    return bool(claims.get("dry_run_only")) or str(claims["name"]).startswith("fleet:project:")


def impersonation(claims: Mapping[str, Any]) -> bytes:
    """Return the Impersonate-* header lines of an assertion. Raises AssertionInvalid.

    One header per group; extra keys hold a slash, so they are percent-encoded.
    """
    name, groups, uid = claims["name"], claims.get("groups") or [], claims.get("uid") or ""
    extra = claims.get("extra") or {}
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise AssertionInvalid("a name this agent never acts under")
    if len(groups) > GROUPS_MAX or len(extra) > EXTRAS_MAX:
        raise AssertionInvalid("too many groups or extra values")
    lines = [f"Impersonate-User: {name}"]
    for group in groups:
        if not isinstance(group, str) or not _NAME.fullmatch(group):
            raise AssertionInvalid("a group this agent never acts under")
        lines.append(f"Impersonate-Group: {group}")
    if uid:
        lines.append(f"Impersonate-Uid: {_plain(uid)}")
    for key, values in extra.items():
        if not _EXTRA_KEY.fullmatch(key):
            raise AssertionInvalid("an extra key this agent never writes")
        header = f"Impersonate-Extra-{quote(key, safe='')}"
        lines += [f"{header}: {_plain(value)}" for value in values]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _plain(value: Any) -> str:
    if not isinstance(value, str) or not _PLAIN.fullmatch(value):
        raise AssertionInvalid("a value that no header can hold")
    return value


def dump_keys(jwks: list[dict[str, Any]]) -> str:
    """Return keys as they are kept in the cluster."""
    return json.dumps(jwks, sort_keys=True)


def load_keys(text: str) -> list[dict[str, Any]]:
    """Return what `dump_keys` wrote; nothing for what does not read."""
    try:
        jwks = json.loads(text)
    except ValueError:
        return []
    return [jwk for jwk in jwks if isinstance(jwk, dict)] if isinstance(jwks, list) else []
