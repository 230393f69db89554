"""Read people's YAML in a process of its own, with limits of time and memory.

A document that makes the parser loop or grow ends that process, never the portal.
"""

import json
import os
import subprocess
import sys
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from clusters.domain.objects import KubeObject
from deployments.domain.manifests import FIELD, MAX_TEXT_BYTES, parse_manifests
from deployments.domain.sentences import Refusal
from fleet_portal.common.errors import ActionRefused

TIMEOUT_SECONDS = 20.0


def parse_in_side_process(text: str) -> list[KubeObject]:
    """Return the objects of the YAML; raises Refusal, or ActionRefused at the process's limits."""
    if len(text) > MAX_TEXT_BYTES:
        return parse_manifests(text)  # refuses by size alone
    command = [sys.executable, "-m", "deployments.parse_worker"]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(settings.BASE_DIR), "PYTHONUTF8": "1"}
    try:
        done = subprocess.run(
            command,
            input=text.encode("utf-8", "surrogatepass"),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=environment,
            cwd=settings.BASE_DIR,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    except subprocess.TimeoutExpired:
        answer = {}
    if "objects" in answer:
        objects: list[KubeObject] = answer["objects"]
        return objects
    if "text" in answer:
        raise Refusal(answer["text"], answer["field"], **answer["params"])
    raise ActionRefused(
        _("Reading these manifests took more time or memory than allowed: make them simpler."),
        FIELD,
    )
