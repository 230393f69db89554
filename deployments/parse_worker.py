"""The side process of `parsing.py`: YAML on standard input, JSON on standard output.

It limits itself before it reads: memory, processor time, no files, no children.
"""

import json
import resource
import sys

from deployments.domain.manifests import parse_manifests
from deployments.domain.sentences import Refusal

MEMORY_BYTES = 1024 * 1024 * 1024
CPU_SECONDS = 15


def limit_itself() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    limit_itself()
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    try:
        answer: dict[str, object] = {"objects": parse_manifests(text)}
    except Refusal as refusal:
        answer = {**refusal.sentence.as_json(), "field": refusal.field}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
