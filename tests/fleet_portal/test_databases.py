import pytest
from django.core.exceptions import ImproperlyConfigured

from fleet_portal.databases import database_from_url


def test_a_postgres_url_gives_every_part() -> None:
    settings = database_from_url("postgres://fleet:p%40ss@db.example:5433/portal?sslmode=require")
    assert settings["ENGINE"] == "django.db.backends.postgresql"
    assert (settings["USER"], settings["PASSWORD"]) == ("fleet", "p@ss")
    assert (settings["HOST"], settings["PORT"], settings["NAME"]) == (
        "db.example",
        "5433",
        "portal",
    )
    assert settings["OPTIONS"] == {"sslmode": "require"}


def test_sqlite_takes_its_write_lock_at_once() -> None:
    assert database_from_url("sqlite:////var/p.db")["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_another_engine_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="sqlite:/// or postgres://"):
        database_from_url("mysql://db/portal")
