from fleet_portal.demo.apiserver.defaults import with_allocated, with_defaults

from ..conftest import deployment, pod


def test_a_deployment_gets_the_real_defaults() -> None:
    spec = with_defaults(deployment())["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": "25%", "maxSurge": "25%"}
    assert spec["template"]["spec"]["restartPolicy"] == "Always"


def test_only_untagged_images_are_always_pulled() -> None:
    policies = [
        with_defaults(pod(image=image))["spec"]["containers"][0]["imagePullPolicy"]
        for image in ("a", "a:latest", "host:5000/a", "a:1")
    ]
    assert policies == ["Always", "Always", "Always", "IfNotPresent"]


def test_the_original_is_not_changed() -> None:
    given = deployment()
    with_defaults(given)
    assert "replicas" not in given["spec"]


def test_plain_text_of_a_secret_is_encoded() -> None:
    secret = {"kind": "Secret", "metadata": {}, "stringData": {"k": "v"}}
    assert with_defaults(secret)["data"] == {"k": "dg=="}


def test_a_service_gets_an_address_unless_it_has_one() -> None:
    service = with_defaults({"kind": "Service", "metadata": {}, "spec": {"ports": [{"port": 80}]}})
    assert with_allocated(service, lambda: "10.0.0.1")["spec"]["clusterIPs"] == ["10.0.0.1"]
    headless = {**service, "spec": {**service["spec"], "clusterIP": "None"}}
    assert with_allocated(headless, lambda: "10.0.0.1")["spec"]["clusterIP"] == "None"


def test_a_pod_runs_under_its_namespace_default_account() -> None:
    made = with_allocated(with_defaults(pod()), lambda: "")
    assert made["spec"]["serviceAccountName"] == "default"
    assert made["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
