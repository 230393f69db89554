import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(code: str, text: str = "") -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, input=text.encode(), capture_output=True, env=environment, check=False, timeout=60
    )


def test_answers_in_json() -> None:
    done = run("from deployments.parse_worker import main; main()", "a: 1")
    assert json.loads(done.stdout) == {"objects": [{"a": 1}]}


def test_loads_no_django() -> None:
    code = "import sys, deployments.parse_worker; print('django' in sys.modules)"
    assert run(code).stdout.strip() == b"False"


def test_memory_is_limited() -> None:
    code = (
        "from deployments.parse_worker import limit_itself; limit_itself(); x = bytearray(2 << 30)"
    )
    assert b"MemoryError" in run(code).stderr


def test_no_file_can_be_written(tmp_path: Path) -> None:
    target = tmp_path / "x"
    code = (
        "from deployments.parse_worker import limit_itself; limit_itself();"
        f" open({str(target)!r}, 'w').write('x')"
    )
    run(code)
    assert target.stat().st_size == 0
