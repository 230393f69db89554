from typing import Any, cast

import pytest

from fleet_portal.demo import plans, shop
from fleet_portal.demo.portal import Client, DemoFailed, Refused


class FakeClient:
    """Answers by path, and notes what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, Any]] = []

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        self.asked.append((method, path, body))
        answer = self.answers.get(path.partition("/")[0], {})
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(fake: FakeClient) -> Client:
    return cast(Client, fake)


async def test_the_first_rollout_has_placement_overrides_and_waves() -> None:
    fake = FakeClient(applications={"id": 7}, rollouts={"rollout": {"id": 9}})
    assert await shop.roll_out(client(fake)) == 9
    made, changed, started = (body for _, _, body in fake.asked)
    assert made["placement"] == {"regions": list(plans.REGIONS)}
    assert changed == plans.overrides()
    assert started == {"application": 7, "waves": plans.waves()}


async def test_who_is_not_connected_in_time_is_named() -> None:
    fake = FakeClient(clusters={"results": [{"name": "a"}]})
    assert await shop.wait_connected(client(fake), ["a", "b"], 0.01) == ["b"]


async def test_a_rollout_that_does_not_end_is_told() -> None:
    fake = FakeClient(rollouts={"rollout": {"finished_at": None}})
    with pytest.raises(DemoFailed, match="has not ended within 0"):
        await shop.wait_rolled_out(client(fake), 9, 0.01)


async def test_a_refusal_of_the_service_is_told_in_the_end() -> None:
    fake = FakeClient(mesh=Refused(400, {"detail": "nobody runs it"}))
    with pytest.raises(Refused, match="nobody runs it"):
        await shop.share_service(client(fake), 0.0)
