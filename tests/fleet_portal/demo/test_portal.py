import socket

import pytest

from fleet_portal.demo import portal as module
from fleet_portal.demo.portal import DemoFailed, Portal, choose_place


def test_the_usual_port_is_taken_where_it_is_free(monkeypatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    monkeypatch.setattr(module, "USUAL_PORT", free)
    place = choose_place("")
    assert (place.listen, place.url) == (f"127.0.0.1:{free}", f"https://127.0.0.1:{free}")


def test_another_is_taken_where_it_is_not(monkeypatch) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        monkeypatch.setattr(module, "USUAL_PORT", holder.getsockname()[1])
        assert choose_place("").listen != f"127.0.0.1:{holder.getsockname()[1]}"


def test_people_beyond_loopback_are_told_an_address_they_can_reach(monkeypatch) -> None:
    monkeypatch.setattr(module, "_own_address", lambda: "192.0.2.7")
    place = choose_place("0.0.0.0")  # noqa: S104 - what HOST says
    assert place.listen.startswith("0.0.0.0:")
    assert place.url.startswith("https://192.0.2.7:")


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(DemoFailed, match="give an address of this machine"):
        choose_place("192.0.2.1")


def test_a_persons_own_settings_stay_outside(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("FLEET_DATABASE_URL", "postgresql://elsewhere/portal")
    portal = Portal(tmp_path, choose_place(""))
    assert "FLEET_DATABASE_URL" not in portal._environment
    assert portal._environment["FLEET_DATA_DIR"].startswith(str(tmp_path))


def test_passwords_are_long_and_differ(tmp_path) -> None:
    place = choose_place("")
    first, second = Portal(tmp_path, place), Portal(tmp_path, place)
    assert len(first.password) >= 12
    assert first.password != second.password
