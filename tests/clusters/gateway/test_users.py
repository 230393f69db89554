import pytest

from clusters.gateway.users import authorization_of
from clusters.tunnel.requests import RequestRefused


def test_the_credential_is_found_in_any_spelling() -> None:
    assert authorization_of([(b"AUTHORIZATION", b"Bearer x")]) == "Bearer x"
    assert authorization_of([(b"Accept", b"*/*")]) == ""


def test_two_credentials_are_refused() -> None:
    with pytest.raises(RequestRefused):
        authorization_of([(b"Authorization", b"a"), (b"authorization", b"b")])
