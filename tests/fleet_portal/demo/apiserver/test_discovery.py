from fleet_portal.demo.apiserver import discovery
from fleet_portal.demo.apiserver.kinds import GROUP_ORDER


def test_the_aggregated_form_needs_its_version() -> None:
    assert discovery.wants_aggregated(f"{discovery.AGGREGATED},application/json")
    assert not discovery.wants_aggregated("application/json")


def test_core_and_groups_come_apart() -> None:
    assert [i["metadata"].get("name") for i in discovery.aggregated(core=True)["items"]] == [None]
    named = discovery.aggregated(core=False)["items"]
    assert [item["metadata"]["name"] for item in named] == list(GROUP_ORDER)


def test_subresources_tell_their_own_kind() -> None:
    listed = discovery.api_resources("apps", "v1")
    assert listed is not None
    scale = next(r for r in listed["resources"] if r["name"] == "deployments/scale")
    assert (scale["group"], scale["kind"]) == ("autoscaling", "Scale")


def test_what_is_not_served_is_none() -> None:
    assert discovery.api_resources("nothing.example", "v1") is None
    assert discovery.api_group("nothing.example") is None
