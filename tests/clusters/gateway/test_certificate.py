import os
import ssl
from pathlib import Path

import pytest

from clusters.gateway.certificate import Certificate
from tests.clusters.rig import self_signed


def write(folder: Path, age_seconds: float) -> tuple[Path, Path]:
    certificate, key, _, _ = self_signed("localhost")
    paths = folder / "tls.crt", folder / "tls.key"
    for path, content in zip(paths, (certificate, key), strict=True):
        path.write_bytes(content)
        os.utime(path, (1_700_000_000 + age_seconds,) * 2)
    return paths


def test_a_renewed_certificate_is_taken_up(tmp_path: Path) -> None:
    found = Certificate(*write(tmp_path, 0))
    assert not found.refresh()
    write(tmp_path, 60)
    assert found.refresh()
    assert not found.refresh()


def test_half_a_renewal_waits_for_the_other_half(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, 0)
    found = Certificate(certificate, key)
    key.write_text("not yet written")
    assert not found.refresh()
    write(tmp_path, 60)
    assert found.refresh()


def test_files_that_are_none_stop_the_start(tmp_path: Path) -> None:
    certificate, key = write(tmp_path, 0)
    certificate.write_text("nothing")
    with pytest.raises(ssl.SSLError):
        Certificate(certificate, key)


def test_old_protocols_are_not_served(tmp_path: Path) -> None:
    context = Certificate(*write(tmp_path, 0)).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
