from fleet_portal.common.models import AuditEntry
from fleet_portal.common.words import ACTIONS, OUTCOMES


def test_each_outcome_of_the_table_has_a_status() -> None:
    assert {status.value for status in OUTCOMES} == {code for code, _ in AuditEntry.OUTCOMES}


def test_actions_are_a_noun_and_a_verb() -> None:
    assert all(len(code.split(".")) == 2 for code in ACTIONS)
