import pytest
from django.db import OperationalError
from django.test import Client

from fleet_portal.common import health


def test_alive_needs_no_database(client: Client) -> None:
    assert client.get("/healthz").content == b"ok"


@pytest.mark.django_db
def test_ready_when_the_database_answers(client: Client) -> None:
    assert client.get("/readyz").json() == {"ready": True}


def test_not_ready_when_it_does_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def cursor(self) -> None:
            raise OperationalError

    monkeypatch.setattr(health, "connection", Down())
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")


def test_metrics_speak_prometheus(client: Client) -> None:
    assert b"python_info" in client.get("/metrics").content
