from datetime import timedelta

import pytest
from django.utils import timezone, translation

from clusters.models import Region
from fleet_portal.common.access import NOBODY, access_of
from mesh import queries
from mesh.models import ClusterMesh, RegionState, StatePeriod
from tests.factories import make_project, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def access(db):
    return access_of(make_user(role="viewer"))


def eu():
    return Region.objects.get(name="eu")


def set_state(state, cause="errors", **evidence):
    return RegionState.objects.create(
        region=eu(), state=state, cause=cause, since=NOW, evidence=evidence, sampled_at=NOW
    )


def row_of_eu(access, now=NOW):
    return next(row for row in queries.board(access, now) if row.region.name == "eu")


def period(state="degraded", started=600, ended=None, **values):
    return StatePeriod.objects.create(
        region=eu(),
        state=state,
        cause="errors",
        evidence={"errors": "7"},
        started_at=NOW - timedelta(seconds=started),
        ended_at=None if ended is None else NOW - timedelta(seconds=ended),
        **values,
    )


def test_causes_are_filled_with_numbers():
    assert queries.cause_text("errors", {"errors": "7"}) == "7 % of requests fail"
    assert queries.cause_text("errors", {}) == "? % of requests fail"
    assert queries.cause_text("whatever", {}) == "whatever"


def test_causes_are_translated():
    with translation.override("zh-hans"):
        assert queries.cause_text("clean", {})


def test_the_board_shows_state_cause_and_age(orders, access):
    ClusterMesh.objects.update(sampled_at=NOW)
    set_state("degraded", errors="7")
    row = row_of_eu(access)
    assert (row.status.value, row.cause) == ("degraded", "7 % of requests fail")
    assert (row.since, row.sampled_at) == (NOW, NOW)


def test_a_state_whose_numbers_grew_old_is_unknown_even_if_nobody_judged(orders, access):
    ClusterMesh.objects.update(sampled_at=NOW)
    set_state("healthy")
    row = row_of_eu(access, NOW + timedelta(minutes=5))
    assert (row.status.value, row.known, row.silent) == ("unknown", False, ["eu-1"])


def test_a_stranger_is_not_told_which_clusters_are_silent(orders):
    ClusterMesh.objects.update(sampled_at=NOW)
    stranger = access_of(make_user(role="viewer", project=make_project("other")))
    row = row_of_eu(stranger, NOW + timedelta(minutes=5))
    assert (row.known, row.silent) == (False, [])


def test_a_region_that_was_never_judged_is_unknown(orders, access):
    assert row_of_eu(access).status.value == "unknown"


def test_lanes_show_the_newest_hour(orders):
    period(started=600, ended=300)
    period("healthy", started=300)
    period("failing", started=9000, ended=8000)
    (lane,) = queries.lanes(NOW).lanes
    assert [band.status.value for band in lane.bands] == ["healthy", "degraded"]
    assert lane.bands[0].cause == "7 % of requests fail"


def test_a_longer_window_shows_more(orders):
    period("failing", started=9000, ended=8000)
    assert queries.lanes(NOW, "60").lanes == []
    assert len(queries.lanes(NOW, "360").lanes) == 1
    assert queries.lanes(NOW, "nonsense").lanes == []


def test_lanes_of_a_service_are_its_own(orders):
    period(service=orders)
    assert queries.lanes(NOW).lanes == []
    assert len(queries.lanes(NOW, service_id=orders.pk).lanes) == 1


def test_history_of_a_service_is_for_its_projects_people(orders, project, access):
    own, regional = period(service=orders), period()
    colleague = access_of(make_user(role="viewer", project=project))
    stranger = access_of(make_user(role="viewer", project=make_project("other")))
    assert set(queries.periods_visible_to(access)) == {own, regional}
    assert set(queries.periods_visible_to(colleague)) == {own, regional}
    assert set(queries.periods_visible_to(stranger)) == {regional}
    assert not queries.periods_visible_to(NOBODY).exists()
