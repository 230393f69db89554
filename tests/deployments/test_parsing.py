"""The side process: what it reads, what it refuses, and that its limits hold."""

import subprocess
from typing import Any

import pytest

from deployments.domain.sentences import Refusal
from deployments.parsing import parse_in_side_process
from fleet_portal.common.errors import ActionRefused


def test_reads_in_another_process() -> None:
    assert parse_in_side_process("a: é\n---\na: 2") == [{"a": "é"}, {"a": 2}]


def test_brings_the_refusal_back_with_its_words() -> None:
    with pytest.raises(Refusal, match="“a” stands twice") as refused:
        parse_in_side_process("a: 1\na: 2")
    assert (refused.value.field, refused.value.sentence.params["line"]) == ("manifests", 2)


def test_large_text_never_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(Refusal, match="at most 4 MiB"):
        parse_in_side_process("x" * (5 << 20))


@pytest.mark.parametrize("outcome", ["timeout", "killed", "nonsense"])
def test_a_process_that_ends_badly_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    def run(command: list[str], **kwargs: Any) -> subprocess.CompletedProcess[bytes]:
        if outcome == "timeout":
            raise subprocess.TimeoutExpired(command, 1)
        code = -9 if outcome == "killed" else 0
        return subprocess.CompletedProcess(command, code, b"{}", b"")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(ActionRefused, match="more time or memory than allowed"):
        parse_in_side_process("a: 1")
