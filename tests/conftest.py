"""What every test shares: a throwaway database file, people with roles, silence on the network."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Keep SQLite in a file: a shared in-memory database locks tables between threads."""
    from django.conf import settings
    from django.db import connections

    database = settings.DATABASES["default"]
    # Threads of sockets and loops must not keep a session open when the database is dropped.
    connections["default"].settings_dict["CONN_MAX_AGE"] = 0
    if database["ENGINE"].endswith("sqlite3"):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = str(Path(settings.FLEET_DATA_DIR) / f"test-{worker}.sqlite3")
        database["TEST"] = {**database.get("TEST", {}), "NAME": name}
        connections["default"].settings_dict["TEST"]["NAME"] = name


def pytest_configure(config: pytest.Config) -> None:
    """Make the project `default` again after a test that empties all tables."""
    from django.db.models.signals import post_migrate

    post_migrate.connect(_make_default_project, dispatch_uid="tests.default_project")


def _make_default_project(**_: Any) -> None:
    from fleet_portal.common.models import Project

    Project.objects.get_or_create(slug="default", defaults={"name": "Default"})


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    from django.utils import translation

    with translation.override("en"):
        yield
