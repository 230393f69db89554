"""Each refusal to start is tried in a process of its own: settings are read once per process."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD_SECRET = "k" * 64


def start(tmp_path: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    environment = {"FLEET_DATA_DIR": str(tmp_path), "PATH": "/usr/bin", **variables}
    return subprocess.run(
        [sys.executable, "-c", "import fleet_portal.settings"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )


PRODUCTION = {
    "FLEET_MODE": "production",
    "FLEET_SECRET_KEY": GOOD_SECRET,
    "FLEET_ALLOWED_HOSTS": "portal.example",
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"FLEET_SECRET_KEY": ""}, "FLEET_SECRET_KEY"),
        ({"FLEET_SECRET_KEY": "insecure-" + GOOD_SECRET}, "FLEET_SECRET_KEY"),
        ({"FLEET_SECRET_KEY": "short"}, "FLEET_SECRET_KEY"),
        ({"FLEET_ALLOWED_HOSTS": "*"}, "FLEET_ALLOWED_HOSTS"),
        ({"FLEET_ALLOWED_HOSTS": ""}, "FLEET_ALLOWED_HOSTS"),
        ({"FLEET_PUBLIC_URL": "http://portal.example"}, "FLEET_PUBLIC_URL"),
        ({"FLEET_TLS_CERT": "/cert.pem"}, "FLEET_TLS_KEY"),
        ({"FLEET_DATABASE_URL": "mysql://db"}, "FLEET_DATABASE_URL"),
        ({"FLEET_WAVE_SOAK": "10"}, "FLEET_WAVE_SOAK"),
    ],
)
def test_production_refuses_to_start(tmp_path: Path, changes: dict[str, str], named: str) -> None:
    outcome = start(tmp_path, **{**PRODUCTION, **changes})
    assert outcome.returncode != 0
    assert named in outcome.stderr.splitlines()[-1]


def test_production_starts_on_good_settings(tmp_path: Path) -> None:
    assert start(tmp_path, **PRODUCTION).returncode == 0


def test_development_makes_a_secret_of_its_own_that_only_the_owner_reads(tmp_path: Path) -> None:
    assert start(tmp_path).returncode == 0
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600
