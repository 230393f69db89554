from pathlib import Path

import pytest

from clusters.gateway.config import Config, SettingInvalid, read_config

GOOD = {
    "FLEET_GATEWAY_LISTEN": "[::1]:8443",
    "FLEET_GATEWAY_TLS_CERT": "/c",
    "FLEET_GATEWAY_TLS_KEY": "/k",
    "FLEET_LINK": "/l",
    "FLEET_WEB_SOCKET": "/w",
}


def test_settings_are_read() -> None:
    found = read_config(GOOD | {"FLEET_STREAMS_PER_PERSON": "50"})
    expected = Config("::1", 8443, Path("/c"), Path("/k"), Path("/l"), Path("/w"))
    assert found == Config(**{**vars(expected), "streams_per_person": 50})


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_setting_is_named(name: str) -> None:
    with pytest.raises(SettingInvalid, match=name):
        read_config(GOOD | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLEET_GATEWAY_LISTEN", "8443"),
        ("FLEET_GATEWAY_LISTEN", "host:https"),
        ("FLEET_STREAMS_PER_PERSON", "many"),
        ("FLEET_CONNECTIONS_PER_ADDRESS", "0"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=name):
        read_config(GOOD | {name: value})
