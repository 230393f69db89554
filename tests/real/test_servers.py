"""PostgreSQL and Redis for one command, and nothing left of them."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import psycopg
import pytest
import redis

from tests.real.commands import Server, run_with
from tests.real.postgres import Postgres
from tests.real.processes import NotReady, accepts
from tests.real.redis import Redis

pytestmark = pytest.mark.real
SAYS_ITS_SETTING = "import os, sys; sys.exit(7 if os.environ.get('{name}') else 1)"


def test_postgres_starts_with_an_empty_database() -> None:
    with Postgres() as server, psycopg.connect(server.url) as connection:
        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(tables).fetchone() == (0,)


def test_redis_starts_empty() -> None:
    with Redis() as server, redis.Redis.from_url(server.url) as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize("make", [Postgres, Redis])
def test_nothing_is_left(make: type[Postgres] | type[Redis]) -> None:
    with make() as server:
        folder = server.folder
        assert accepts("127.0.0.1", server.port)
    assert not accepts("127.0.0.1", server.port)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("make", "name"), [(Postgres, "FLEET_DATABASE_URL"), (Redis, "FLEET_REDIS_URL")]
)
def test_command_gets_the_setting_and_its_status_is_returned(
    make: Callable[[], AbstractContextManager[Server]], name: str
) -> None:
    command = ["--", sys.executable, "-c", SAYS_ITS_SETTING.format(name=name)]
    assert run_with(make, "about", command) == 7


def test_without_the_program_the_command_that_helps_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert run_with(Redis, "about", ["--", "true"]) == 1
    assert "apt-get install -y redis-server" in capsys.readouterr().err
    with pytest.raises(NotReady):
        Redis()
