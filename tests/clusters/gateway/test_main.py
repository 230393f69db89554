import os
import subprocess
import sys

GATEWAY = [sys.executable, "-m", "clusters.gateway"]
LOADED = """
import sys
import clusters.gateway.__main__
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"django", "channels", "rest_framework", "kubernetes", "daphne"}))
"""


def test_the_gateway_loads_no_django() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_a_missing_setting_stops_it_with_a_sentence() -> None:
    env = {"PATH": os.environ["PATH"]}
    done = subprocess.run(GATEWAY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "FLEET_GATEWAY_LISTEN" in done.stderr
