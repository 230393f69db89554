from fleet_portal.roles.controller import controller


def test_every_app_brings_loops_with_names_of_their_own() -> None:
    names = [loop.name for loop in controller().loops]
    assert len(names) == len(set(names))
    assert {"clusters-sweep", "rollouts", "dispatch", "mesh-traffic"} <= set(names)
