from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from fleet_portal.env import Env


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("10s", 10.0), ("1.5m", 90.0), ("1h", 3600.0), ("2d", 172800.0)],
)
def test_a_duration_carries_its_unit(text: str, seconds: float) -> None:
    assert Env({"FLEET_X": text}).seconds("FLEET_X", 0.0) == seconds


@pytest.mark.parametrize("text", ["10", "ten s", "-1s", "10 s", "s"])
def test_a_duration_without_a_readable_unit_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="FLEET_X"):
        Env({"FLEET_X": text}).seconds("FLEET_X", 0.0)


@pytest.mark.parametrize("text", ["abc", "-1", "70000"])
def test_a_number_out_of_range_is_refused(text: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="FLEET_PORT"):
        Env({"FLEET_PORT": text}).number("FLEET_PORT", 1, maximum=65535)


def test_a_flag_that_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="FLEET_DEBUG"):
        Env({"FLEET_DEBUG": "maybe"}).flag("FLEET_DEBUG")


def test_a_choice_outside_the_list_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="development, production"):
        Env({"FLEET_MODE": "prod"}).choice(
            "FLEET_MODE", ("development", "production"), "development"
        )


def test_a_secret_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("s3cret\n")
    assert Env({"FLEET_KEY_FILE": str(path)}).secret("FLEET_KEY") == "s3cret"


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="keep one"):
        Env({"FLEET_KEY": "a", "FLEET_KEY_FILE": str(tmp_path)}).secret("FLEET_KEY")


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="FLEET_KEY_FILE"):
        Env({"FLEET_KEY_FILE": "/nonexistent/key"}).secret("FLEET_KEY")


def test_names_are_split_and_trimmed() -> None:
    assert Env({"FLEET_HOSTS": " a.example , ,b.example "}).names("FLEET_HOSTS") == [
        "a.example",
        "b.example",
    ]
