import hashlib
import ssl
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from clusters.agent.portal_tls import PinMismatch, PinnedKey, aiohttp_ssl, check_pins, context_for
from tests.clusters.rig import self_signed


class FakeTransport:
    def __init__(self, certificate: bytes | None) -> None:
        self._certificate = certificate

    def get_extra_info(self, name: str) -> Any:
        return self if name == "ssl_object" and self._certificate is not None else None

    def getpeercert(self, binary_form: bool) -> bytes | None:
        return self._certificate


def parts() -> tuple[Any, frozenset[bytes]]:
    _, _, key, certificate = self_signed("portal")
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pins = frozenset({hashlib.sha256(spki).digest(), bytes(32)})
    return certificate.public_bytes(Encoding.DER), pins


def test_the_pinned_key_is_taken() -> None:
    der, pins = parts()
    check_pins(cast(Any, FakeTransport(der)), pins)
    PinnedKey(pins).check(cast(Any, FakeTransport(der)))


@pytest.mark.parametrize("certificate", ["other", "none"])
def test_any_other_key_is_refused(certificate: str) -> None:
    _, pins = parts()
    der = parts()[0] if certificate == "other" else None
    with pytest.raises(PinMismatch):
        check_pins(cast(Any, FakeTransport(der)), pins)


def test_without_pins_chain_and_name_are_checked() -> None:
    context = context_for(frozenset())
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert isinstance(aiohttp_ssl(frozenset()), ssl.SSLContext)


def test_pins_stand_in_for_chain_and_name() -> None:
    assert context_for(frozenset({bytes(32)})).verify_mode is ssl.CERT_NONE
    assert isinstance(aiohttp_ssl(frozenset({bytes(32)})), PinnedKey)
