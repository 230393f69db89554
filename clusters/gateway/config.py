"""The gateway's settings, from its environment; a wrong value stops it with one sentence."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class SettingInvalid(Exception):
    """A variable is missing or cannot be read; the sentence names it."""


@dataclass(frozen=True)
class Config:
    """What a gateway is started with.

    `access_log` is a file, "-" for standard output, "" for none.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    link: Path
    web_socket: Path
    access_log: str = ""
    connections_per_address: int = 1000
    streams_per_person: int = 200
    memory_bytes: int = 256 * 1024 * 1024
    # At the end: how long what was written last has to leave the buffers.
    linger_seconds: float = 0.2


def read_config(environ: Mapping[str, str] = os.environ) -> Config:
    """Return the settings in `environ`. Raises SettingInvalid."""
    host, _, port = _text(environ, "FLEET_GATEWAY_LISTEN").rpartition(":")
    if not host or not port.isdigit():
        raise SettingInvalid("FLEET_GATEWAY_LISTEN must be an address and a port: 127.0.0.1:8443.")
    return Config(
        host=host.strip("[]"),
        port=int(port),
        certificate=Path(_text(environ, "FLEET_GATEWAY_TLS_CERT")),
        key=Path(_text(environ, "FLEET_GATEWAY_TLS_KEY")),
        link=Path(_text(environ, "FLEET_LINK")),
        web_socket=Path(_text(environ, "FLEET_WEB_SOCKET")),
        access_log=environ.get("FLEET_ACCESS_LOG", ""),
        connections_per_address=_number(environ, "FLEET_CONNECTIONS_PER_ADDRESS", 1000),
        streams_per_person=_number(environ, "FLEET_STREAMS_PER_PERSON", 200),
        memory_bytes=_number(environ, "FLEET_GATEWAY_MEMORY_MIB", 256) * 1024 * 1024,
    )


def _text(environ: Mapping[str, str], name: str) -> str:
    if not (value := environ.get(name, "").strip()):
        raise SettingInvalid(f"{name} is not set.")
    return value


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    value = environ.get(name, "").strip()
    if not value:
        return default
    if not value.isdigit() or int(value) < 1:
        raise SettingInvalid(f"{name} is {value!r}: write a whole number from 1 up.")
    return int(value)
