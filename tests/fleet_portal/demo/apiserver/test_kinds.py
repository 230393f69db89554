from fleet_portal.demo.apiserver.kinds import BY_KIND, BY_PATH, GROUP_ORDER, RESOURCES


def test_every_group_has_its_place_in_discovery() -> None:
    assert {r.group for r in RESOURCES} == {"", *GROUP_ORDER}


def test_paths_and_kinds_are_unique() -> None:
    assert len(BY_PATH) == len(BY_KIND) == len(RESOURCES)


def test_names_follow_the_group() -> None:
    deployments, pods = BY_KIND["apps", "Deployment"], BY_KIND["", "Pod"]
    assert (deployments.qualified, deployments.root) == ("deployments.apps", "/apis/apps/v1")
    assert (pods.qualified, pods.root, pods.api_version) == ("pods", "/api/v1", "v1")


def test_only_istio_kinds_are_custom() -> None:
    assert {r.group for r in RESOURCES if r.is_custom} == {"networking.istio.io"}
