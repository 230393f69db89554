import subprocess
import sys

HELP = """
import runpy, sys
sys.argv = ["fleet_portal.agent", "--help"]
try:
    runpy.run_module("fleet_portal.agent", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
import fleet_portal.agent.parts
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"django", "channels", "rest_framework", "kubernetes", "daphne"}))
"""


def test_the_agent_loads_no_django() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "--kubeconfig" in done.stdout


def test_without_access_to_a_cluster_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fleet_portal.agent"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "--kubeconfig" in done.stderr
