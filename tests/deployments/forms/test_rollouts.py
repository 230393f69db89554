import pytest

from deployments.forms.rollouts import WaveForm, waves_initial
from fleet_portal.common.access import NOBODY
from tests.deployments.factories import make_application, make_connected_cluster, make_rollout

pytestmark = pytest.mark.django_db


def wave(**values: str) -> object:
    form = WaveForm(NOBODY, data=values)
    assert form.is_valid()
    return form.wave()


def test_an_empty_row_is_no_wave() -> None:
    assert wave(name="only a name") is None


def test_a_row_with_a_rule_is_one() -> None:
    assert wave(name="canary", selector="a=b") == {"name": "canary", "selector": "a=b"}


def test_the_last_waves_are_a_start() -> None:
    for name in ("eu-1", "eu-2"):
        make_connected_cluster(name)
    application = make_application()
    assert waves_initial(application) == []
    make_rollout(application, waves=[{"name": "canary", "clusters": ["eu-1"]}])
    assert waves_initial(application) == [{"name": "canary", "clusters": ["eu-1"]}]
