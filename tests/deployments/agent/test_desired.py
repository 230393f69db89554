"""Reading a signed set."""

from typing import Any

import pytest

from clusters.domain.objects import ObjectId, ObjectRef
from deployments.agent.desired import DesiredSetInvalid, read_desired_set
from tests.deployments.agent.conftest import UID, application, claims, config_map, deployment


def test_a_set_is_read() -> None:
    entry = application(deployment(), config_map(), revision=3, web=2)
    read = read_desired_set(claims(entry, sequence=5), "token", UID)
    assert (read.project, read.order, read.token) == ("shop", (1, 5), "token")
    found = read.applications[0]
    assert (found.name, found.revision) == ("web", 3)
    web, settings = found.objects
    assert web.ref == ObjectRef(ObjectId("apps", "Deployment", "app", "web"), "v1")
    assert (web.replicas, settings.replicas) == (2, None)
    assert read.digests == {web.digest, settings.digest}


def test_fields_that_are_not_known_yet_are_passed_over() -> None:
    entry = {**application(), "from_the_future": 1}
    assert read_desired_set(claims(entry, more=[]), "", UID).applications[0].name == "web"


def without(field: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != field}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (without("epoch"), "malformed"),
        (claims(sequence="1"), "malformed"),  # type: ignore[arg-type]
        (claims(aud="other"), "another cluster"),
        (claims(application(), application()), "twice"),
        (claims({**application(), "replicas": {"web": 2}}), "Replicas of web"),
        (claims({**application(), "objects": [{"digest": "x"}]}), "malformed"),
    ],
)
def test_what_makes_no_sense_is_refused(made: dict[str, Any], words: str) -> None:
    with pytest.raises(DesiredSetInvalid, match=words):
        read_desired_set(made, "", UID)
