from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from fleet_portal.roles.web import link_socket_path, prepare_run_dir, web_socket_path


def test_sockets_of_a_killed_portal_are_cleared(tmp_path: Path, settings: Settings) -> None:
    settings.FLEET_RUN_DIR = tmp_path / "run"
    prepare_run_dir()
    for path in (web_socket_path(), link_socket_path()):
        path.touch()
    prepare_run_dir()
    assert list((tmp_path / "run").iterdir()) == []


def test_the_run_folder_is_private(tmp_path: Path, settings: Settings) -> None:
    settings.FLEET_RUN_DIR = tmp_path / "run"
    prepare_run_dir()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700


def test_a_path_too_long_for_a_socket_stops_with_a_sentence(
    tmp_path: Path, settings: Settings
) -> None:
    settings.FLEET_RUN_DIR = tmp_path / ("long" * 40)
    with pytest.raises(SystemExit, match="FLEET_RUN_DIR is too long"):
        prepare_run_dir()
