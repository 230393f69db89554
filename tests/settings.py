"""The portal's settings for tests: a folder of their own, so that no developer's portal is touched.

pytest reads this before any conftest. One folder per process, removed at its end.
"""

import atexit
import os
import shutil
import tempfile

DATA_DIR = tempfile.mkdtemp(prefix="fleet-test-")
atexit.register(shutil.rmtree, DATA_DIR, ignore_errors=True)
os.environ["FLEET_DATA_DIR"] = DATA_DIR
os.environ["FLEET_RUN_DIR"] = os.path.join(DATA_DIR, "run")
os.environ.setdefault("FLEET_SECRET_KEY", "a secret for tests alone, longer than fifty characters")

from fleet_portal.settings import *  # noqa: E402, F403
