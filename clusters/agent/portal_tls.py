"""TLS towards the portal: by the usual rules, or by pins of its public key and nothing else.

A pinned portal has a certificate of its own authority, so chain and host name say nothing; the
key does. It is compared before a single byte of ours is sent.
"""

import asyncio
import hashlib
import hmac
import ssl
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


class PinMismatch(ConnectionError):
    """The server at the portal's address does not hold the pinned key."""

    def __init__(self) -> None:
        super().__init__(
            "the server at the portal's address has another key than the manifest pins: it is not"
            " the portal, or its key was replaced and the manifest must be applied again"
        )


def context_for(pins: frozenset[bytes]) -> ssl.SSLContext:
    """Return the TLS settings for a portal with these pins (none: the usual rules)."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if pins:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_pins(transport: asyncio.BaseTransport, pins: frozenset[bytes]) -> None:
    """Raise PinMismatch unless the connected server holds a pinned key."""
    if not pins:
        return
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    if certificate is None or not _is_pinned(certificate, pins):
        raise PinMismatch


def _is_pinned(certificate: bytes, pins: frozenset[bytes]) -> bool:
    key = x509.load_der_x509_certificate(certificate).public_key()
    digest = hashlib.sha256(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).digest()
    return any(hmac.compare_digest(digest, pin) for pin in pins)


class PinnedKey(aiohttp.Fingerprint):
    """The same check for aiohttp, which calls it once connected and before it sends."""

    def __init__(self, pins: frozenset[bytes]) -> None:
        super().__init__(next(iter(pins)))
        self._pins = pins

    def check(self, transport: asyncio.Transport) -> None:
        """Raise PinMismatch unless the server holds a pinned key."""
        check_pins(transport, self._pins)


def aiohttp_ssl(pins: frozenset[bytes]) -> Any:
    """Return aiohttp's `ssl` argument for a portal with these pins."""
    return PinnedKey(pins) if pins else context_for(pins)
