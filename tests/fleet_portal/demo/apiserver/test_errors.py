from fleet_portal.demo.apiserver import errors
from fleet_portal.demo.apiserver.kinds import BY_KIND

DEPLOYMENTS = BY_KIND["apps", "Deployment"]


def test_a_status_says_what_was_not_found() -> None:
    status = errors.not_found(DEPLOYMENTS, "web").status()
    assert status["message"] == 'deployments.apps "web" not found'
    assert status["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    assert status["code"] == 404


def test_conflicts_of_one_field_are_one_sentence() -> None:
    error = errors.apply_conflict([('"x"', ".data.a")])
    assert str(error) == 'Apply failed with 1 conflict: conflict with "x": .data.a'


def test_conflicts_of_many_fields_are_listed_by_manager() -> None:
    error = errors.apply_conflict([('"y"', ".b"), ('"x"', ".a")])
    assert str(error).splitlines() == [
        'Apply failed with 2 conflicts: conflicts with "x":',
        "- .a",
        'conflicts with "y":',
        "- .b",
    ]


def test_an_invalid_object_names_each_field() -> None:
    causes = [errors.Cause("R", "spec.a", "wrong"), errors.Cause("R", "spec.b", "missing")]
    error = errors.invalid(DEPLOYMENTS, "web", causes)
    assert str(error) == 'Deployment.apps "web" is invalid: [spec.a: wrong, spec.b: missing]'


def test_a_list_is_forbidden_without_a_name() -> None:
    assert str(errors.forbidden("", "pods", "", "no")) == "pods is forbidden: no"
