"""Every audited action and every event has words for people."""

import ast
from pathlib import Path

from clusters import actions
from clusters.words import ACTIONS, EVENTS
from fleet_portal.common.words import ACTIONS as ALL_ACTIONS

FOLDER = Path(actions.__file__).parent


def literals(function: str, position: int) -> set[str]:
    found = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
                argument = node.args[position]
                parts = (
                    [argument.body, argument.orelse]
                    if isinstance(argument, ast.IfExp)
                    else [argument]
                )
                found |= {str(part.value) for part in parts if isinstance(part, ast.Constant)}
    return found


def test_actions_have_words() -> None:
    assert literals("audit.record", 1) <= ACTIONS.keys()
    assert ACTIONS.keys() <= ALL_ACTIONS.keys()


def test_events_have_words() -> None:
    assert literals("add_event", 1) <= EVENTS.keys()
