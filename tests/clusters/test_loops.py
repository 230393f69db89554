from datetime import timedelta

import pytest
from django.utils import timezone

from clusters import loops
from clusters.models import Cluster, SpentProof
from tests.factories import make_cluster

pytestmark = pytest.mark.django_db


def test_one_step_writes_what_time_alone_has_changed() -> None:
    cluster = make_cluster("a")
    old = timezone.now() - timedelta(minutes=5)
    Cluster.objects.update(tunnel_state="connected", connected_at=old, last_frame_at=old)
    SpentProof.objects.create(jti="j", expires_at=old)
    loops.loops()[0].step()
    cluster.refresh_from_db()
    assert cluster.tunnel_state == "lost"
    assert not SpentProof.objects.exists()


def test_the_sweep_is_quicker_than_the_promise() -> None:
    assert loops.SWEEP_SECONDS <= 15
