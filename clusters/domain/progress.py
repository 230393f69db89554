"""How far a cluster has come from the wizard to ready, as a list of steps. Pure."""

from dataclasses import dataclass
from datetime import datetime

from clusters.domain.statuses import STEP_DONE, STEP_FAILED, STEP_LATER, STEP_NOW
from fleet_portal.common.text import N_


@dataclass(frozen=True)
class JoinFacts:
    """What the rows tell. `fetched_at`: the manifest was first fetched with the last token."""

    fetched_at: datetime | None
    reached_at: datetime | None
    connected_at: datetime | None
    is_there: bool
    server_version: str
    region: str
    inventory_at: datetime | None
    access_passed: bool | None
    access_tested_at: datetime | None


@dataclass(frozen=True)
class Step:
    """One step. `status`: a word of `statuses.STEPS`; `label` and `hint` are source texts."""

    key: str
    label: str
    status: str
    at: datetime | None = None
    hint: str = ""
    value: str = ""


WAITING = N_("The command was run in the cluster")
REACHED = N_("The agent reached the portal")
TUNNEL = N_("The tunnel is up")
FOUND = N_("Version, nodes and region were found")
ACCESS = N_("The access test passed")

RUN_COMMAND = N_("Run the command below with a kubeconfig of the cluster's administrator.")
AGENT_STARTS = N_("The agent's Pod starts in the namespace fleet-system.")
DIALS = N_("The agent dials the portal. It needs a way out to the portal's address.")
READS = N_("The agent reads the version and the nodes.")
NO_REGION = N_("The nodes carry no region label: name the region of this cluster on this page.")
TESTS = N_("The agent lists nodes and Pods under the portal's reading name.")
TEST_FAILED = N_(
    "The cluster refused a part of it: see what it said, then apply the manifest again."
)


def join_steps(facts: JoinFacts) -> list[Step]:
    """Return the steps in order; the first that is not done is the one that is waited for."""
    found = bool(facts.server_version and facts.inventory_at)
    claims = [
        (
            Step("command", WAITING, "", facts.fetched_at, RUN_COMMAND),
            bool(facts.fetched_at or facts.reached_at),
        ),
        (Step("reached", REACHED, "", facts.reached_at, AGENT_STARTS), bool(facts.reached_at)),
        (
            Step("tunnel", TUNNEL, "", facts.connected_at, DIALS),
            bool(facts.connected_at and facts.is_there),
        ),
        (
            Step(
                "found",
                FOUND,
                "",
                facts.inventory_at,
                NO_REGION if found else READS,
                facts.server_version,
            ),
            found and bool(facts.region),
        ),
        (
            Step(
                "access",
                ACCESS,
                "",
                facts.access_tested_at,
                TEST_FAILED if facts.access_passed is False else TESTS,
            ),
            facts.access_passed is True,
        ),
    ]
    steps: list[Step] = []
    waiting = True
    for step, done in claims:
        status = STEP_DONE if done else (STEP_NOW if waiting else STEP_LATER)
        if not done and step.key == "access" and facts.access_passed is False:
            status = STEP_FAILED
        waiting = waiting and done
        steps.append(_finished(step, status))
    return steps


def _finished(step: Step, status: str) -> Step:
    shows_hint = status in (STEP_NOW, STEP_FAILED)
    at = step.at if status in (STEP_DONE, STEP_FAILED) else None
    return Step(step.key, step.label, status, at, step.hint if shows_hint else "", step.value)


def is_ready(steps: list[Step]) -> bool:
    """Tell whether every step is done."""
    return all(step.status == STEP_DONE for step in steps)


def was_ready(steps: list[Step]) -> bool:
    """Tell whether only the tunnel is missing: a cluster that is away, not one that is joining."""
    return [step.key for step in steps if step.status != STEP_DONE] == ["tunnel"]
