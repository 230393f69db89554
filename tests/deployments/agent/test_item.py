"""The ladder of decisions about one object, rung by rung."""

from typing import Any

import pytest

from clusters.domain.objects import ref_of
from deployments.agent.desired import WantedObject
from deployments.agent.item import Do, Input, Item, Refusal, View, decide, verdict_of
from deployments.agent.watcher import Sight
from deployments.domain.drift import Pace, baseline_of
from deployments.domain.ownership import REPLICAS_MANAGER, SPEC_MANAGER, Owner, Standing, stamp
from deployments.domain.words import Health, Reason, Sync
from tests.deployments.agent.conftest import config_map
from tests.deployments.agent.fake_kube import fields_of

NOW = 10_000.0
OWNER = Owner("shop", "web")


def live(**data: str) -> dict[str, Any]:
    obj = stamp(config_map(**data), OWNER, 1)
    entry = {"manager": SPEC_MANAGER, "operation": "Apply", "fieldsV1": fields_of(obj)}
    obj["metadata"] |= {
        "uid": "u1",
        "resourceVersion": str(len(str(data))),
        "managedFields": [entry],
    }
    return obj


def item(*, applied: bool = True, replicas: int | None = None) -> Item:
    made = Item(WantedObject(ref_of(config_map()), "sha256:d", replicas), OWNER, 1)
    if applied:
        made.applied = made.input
        made.rebase(spec=baseline_of(live(), SPEC_MANAGER))
    return made


def view(
    obj: dict[str, Any] | None = None,
    sight: Sight = Sight.WATCHING,
    standing: Standing = Standing.CREATED,
    *,
    finished: bool = False,
) -> View:
    return View(obj, sight, "the cluster's words", standing, finished)


def refusal(made: Item, reason: Reason = Reason.FORBIDDEN, wait: float = 10) -> Refusal:
    return Refusal(made.input, reason, "no", 1, NOW + wait)


def test_a_new_object_is_applied() -> None:
    found = decide(item(applied=False), view(), NOW)
    assert (found.do, found.sync) == (Do.APPLY, Sync.APPLYING)


def test_an_object_that_is_as_wanted_is_left_alone() -> None:
    found = decide(item(), view(live()), NOW)
    assert (found.do, found.sync) == (Do.NOTHING, Sync.SYNCED)


def test_a_new_revision_is_applied() -> None:
    made = item()
    made.revision = 2
    assert decide(made, view(live()), NOW).do is Do.APPLY


def test_a_new_count_alone_is_only_scaled() -> None:
    made = item(replicas=2)
    made.applied = Input("sha256:d", 1, 5)
    assert decide(made, view(live()), NOW).do is Do.SCALE


def test_a_count_that_the_portal_takes_over_is_applied_with_the_rest() -> None:
    made = item(replicas=2)
    made.applied = Input("sha256:d", 1, None)
    assert decide(made, view(live()), NOW).do is Do.APPLY


def test_nothing_is_done_before_anything_is_seen() -> None:
    assert decide(item(applied=False), view(sight=Sight.STARTING), NOW).do is Do.NOTHING


def test_a_refusal_holds_until_its_time() -> None:
    made = item(applied=False)
    made.refusal = refusal(made)
    found = decide(made, view(), NOW)
    assert (found.do, found.sync, found.reason) == (Do.NOTHING, Sync.BLOCKED, Reason.FORBIDDEN)
    assert found.due == NOW + 10
    assert decide(made, view(), NOW + 10).do is Do.APPLY


def test_new_content_is_tried_in_spite_of_an_old_refusal() -> None:
    made = item(applied=False)
    made.refusal = refusal(made)
    made.revision = 2
    assert decide(made, view(), NOW).do is Do.APPLY


def test_a_missing_kind_waits_for_its_api() -> None:
    made = item(applied=False)
    made.refusal = refusal(made, Reason.API_MISSING)
    assert decide(made, view(sight=Sight.NO_KIND), NOW).sync is Sync.WAITING_FOR_API


@pytest.mark.parametrize(
    ("applied", "sync"), [(True, Sync.SYNCED), (False, Sync.APPLYING)], ids=["there", "not yet"]
)
def test_while_the_api_is_away_nothing_is_done(applied: bool, sync: Sync) -> None:
    found = decide(item(applied=applied), view(live(), Sight.STALE), NOW)
    assert (found.do, found.sync, found.reason) == (Do.NOTHING, sync, Reason.TRANSPORT)


@pytest.mark.parametrize("standing", [Standing.FOREIGN, Standing.OTHER_APPLICATION])
def test_what_is_not_ours_is_left_alone(standing: Standing) -> None:
    found = decide(item(applied=False), view(config_map(), standing=standing), NOW)
    assert (found.do, found.reason) == (Do.NOTHING, Reason.OWNED_BY_OTHER)


def test_another_application_of_the_project_may_have_it() -> None:
    made = item(applied=False)
    made.taken_by = "api"
    found = decide(made, view(), NOW)
    assert found.sync is Sync.BLOCKED
    assert "api" in found.message


def test_an_object_that_is_being_deleted_is_waited_for() -> None:
    going = live()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert decide(item(), view(going), NOW).do is Do.NOTHING


def test_a_deleted_object_is_made_again() -> None:
    found = decide(item(), view(), NOW)
    assert (found.do, found.sync, found.message) == (Do.APPLY, Sync.DRIFTED, "was deleted")


def test_a_job_that_has_run_is_not_run_again() -> None:
    for made in (item(), item(applied=False)):
        assert decide(made, view(finished=True), NOW).do is Do.NOTHING


def test_a_changed_field_is_put_right() -> None:
    found = decide(item(), view(live(colour="green")), NOW)
    assert (found.do, found.sync) == (Do.APPLY, Sync.DRIFTED)
    assert [each.path for each in found.drift] == ["data.colour"]


def test_drift_of_the_count_alone_is_only_scaled() -> None:
    made = item(replicas=2)
    counted = live()
    counted["spec"] = {"replicas": 2}
    fields: dict[str, Any] = {"f:spec": {"f:replicas": {}}}
    entry = {"manager": REPLICAS_MANAGER, "operation": "Apply", "fieldsV1": fields}
    counted["metadata"]["managedFields"].append(entry)
    made.rebase(replicas=baseline_of(counted, REPLICAS_MANAGER))
    changed = {**counted, "spec": {"replicas": 5}}
    assert decide(made, view(changed), NOW).do is Do.SCALE


def test_a_fight_is_contested_names_the_other_and_backs_off() -> None:
    made = item()
    made.paces["data.colour"] = Pace(3, NOW - 1)
    changed = live(colour="green")
    fields: dict[str, Any] = {"f:data": {"f:colour": {}}}
    entry = {"manager": "other-operator", "operation": "Update", "fieldsV1": fields}
    changed["metadata"]["managedFields"].append(entry)
    found = decide(made, view(changed), NOW)
    assert (found.do, found.sync) == (Do.NOTHING, Sync.CONTESTED)
    assert found.message == "changed by other-operator"
    assert found.due == NOW - 1 + 30


def test_a_fight_is_told_until_it_has_been_quiet() -> None:
    made = item()
    made.paces["data.colour"] = Pace(3, NOW)
    assert decide(made, view(live()), NOW + 1).sync is Sync.CONTESTED
    assert decide(made, view(live()), NOW + 1000).sync is Sync.SYNCED


def test_a_kind_that_may_not_be_read_is_told_so() -> None:
    found = decide(item(), view(sight=Sight.REFUSED), NOW)
    assert (found.sync, found.reason) == (Sync.BLOCKED, Reason.FORBIDDEN)
    assert found.message == "the cluster's words"


def test_a_kind_that_may_only_be_listed_is_told_so() -> None:
    found = decide(item(), view(live(), Sight.LISTING), NOW)
    assert found.sync is Sync.SYNCED
    assert "each 30 s" in found.message


@pytest.mark.parametrize(
    ("seen", "health"),
    [
        (view(live()), Health.HEALTHY),
        (view(), Health.PROGRESSING),
        (view(finished=True), Health.HEALTHY),
        (view(live(), Sight.STALE), Health.UNKNOWN),
        (view(live(), Sight.REFUSED), Health.UNKNOWN),
        (view({"metadata": {"name": "x"}}), Health.UNKNOWN),
    ],
    ids=["there", "absent", "has run", "API away", "not readable", "not ours"],
)
def test_what_is_not_seen_is_unknown(seen: View, health: Health) -> None:
    assert verdict_of(item(), seen, None, NOW).health is health


@pytest.mark.parametrize(
    ("sight", "reason"), [(Sight.STALE, Reason.TRANSPORT), (Sight.REFUSED, Reason.FORBIDDEN)]
)
def test_why_nothing_is_seen_is_told(sight: Sight, reason: Reason) -> None:
    assert verdict_of(item(), view(live(), sight), None, NOW).reason is reason


def test_old_content_that_is_well_is_not_healthy_yet() -> None:
    made = item()
    made.applied = Input("sha256:old", 1, None)
    assert verdict_of(made, view(live()), None, NOW).health is Health.PROGRESSING
