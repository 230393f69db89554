"""What every test shares: a throwaway database file, people with roles, silence on the network."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Set before Django reads its settings: a test never touches a developer's own portal.
_data = tempfile.mkdtemp(prefix="fleet-test-")
os.environ["FLEET_DATA_DIR"] = _data
os.environ.setdefault("FLEET_SECRET_KEY", "a secret for tests alone, longer than fifty characters")


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
        name = str(Path(_data) / f"test-{worker}.sqlite3")
        database["TEST"] = {**database.get("TEST", {}), "NAME": name}
        connections["default"].settings_dict["TEST"]["NAME"] = name


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    from django.utils import translation

    with translation.override("en"):
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    import shutil

    shutil.rmtree(_data, ignore_errors=True)
