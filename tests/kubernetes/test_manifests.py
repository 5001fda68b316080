"""kubernetes/: built by kubectl's kustomize, checked strictly, and against the files that they mention."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml

from serve.config.memory_budgets import memory_warnings
from serve.config.serve_file import load
from serve.config.service_config import ServiceConfig

EVERYWHERE = "0.0.0.0"  # noqa: S104 (of a pod, which network-policies.yaml closes)

REPOSITORY = Path(__file__).parents[2]
OVERLAYS = sorted((REPOSITORY / "kubernetes/overlays").iterdir())
SWITCH = "RAY_SERVE_ENABLE_HA_PROXY"
KUBECTL = Path(sys.executable).with_name("kubectl")
Check = Callable[[dict[str, Any]], None]


def built(overlay: Path) -> list[dict[str, Any]]:
    command = [KUBECTL, "kustomize", overlay]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [document for document in yaml.safe_load_all(output) if document]


@pytest.fixture(scope="module")
def check() -> Check:
    """Import it late: loading Kubernetes' types takes seconds in every process that collects this file."""
    from tests.support.strict_objects import check

    return check


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.name)
def documents(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return built(request.param)


@pytest.fixture(scope="module")
def gpu() -> dict[str, Any]:
    return only(built(REPOSITORY / "kubernetes/overlays/gpu"), "RayService")


def only(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (document for document in documents if document["kind"] == kind)
    return found


def ray_pods(service: dict[str, Any]) -> list[dict[str, Any]]:
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_every_object_is_known_to_kubernetes(documents: list[dict[str, Any]], check: Check) -> None:
    for document in documents:
        check(document)
        assert document["metadata"]["namespace"] == "scenewright"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (("spec", "rayClusterConfig", "headGroupSpec", "template", "spec", "containers", 0), "imagee"),
        (("spec", "rayClusterConfig"), "enableInTreeAutoScaling"),
        (("spec", "rayClusterConfig", "workerGroupSpecs", 0), "minReplica"),
    ],
    ids=str,
)
def test_the_check_sees_a_misspelt_field(
    gpu: dict[str, Any], check: Check, path: tuple[Any, ...], field: str
) -> None:
    broken = copy.deepcopy(gpu)
    inner: Any = broken
    for key in path:
        inner = inner[key]
    inner[field] = "x"
    with pytest.raises(ValueError, match=field):
        check(broken)


def test_the_serve_configuration_is_ours(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    file.write_text(only(documents, "RayService")["spec"]["serveConfigV2"])
    assert load(file).host == EVERYWHERE
    assert isinstance(load(file).config, ServiceConfig)
    assert load(file).config.requires_keys
    assert not list(memory_warnings(load(file).config))


def test_the_base_may_be_tried_with_less_memory(tmp_path: Path) -> None:
    """The configuration is valid on a machine that is smaller than the pods."""
    content = yaml.safe_load(only(built(OVERLAYS[0]), "RayService")["spec"]["serveConfigV2"])
    args = content["applications"][0]["args"]
    for options in (
        args["character"]["replicas"],
        args["background"]["replicas"],
        args["merger"],
        args["ingress"],
    ):
        options["memory_bytes"] = 1_000_000
    file = tmp_path / "serve.yaml"
    file.write_text(yaml.safe_dump(content))
    assert load(file).config.merger.memory_bytes == 1_000_000


def test_the_gpu_overlay_serves_gpu_yaml(gpu: dict[str, Any]) -> None:
    shipped = yaml.safe_load((REPOSITORY / "serve/gpu.yaml").read_text())
    deployed = yaml.safe_load(gpu["spec"]["serveConfigV2"])
    assert deployed.pop("http_options") == shipped.pop("http_options") | {"host": EVERYWHERE}
    assert deployed == shipped


def test_replicas_find_nodes_with_their_labels_and_room(gpu: dict[str, Any]) -> None:
    groups = gpu["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    config = yaml.safe_load(gpu["spec"]["serveConfigV2"])["applications"][0]["args"]
    painters = [group for group in groups if group["labels"]["accelerator"] == "gpu"]
    for kind in ("character", "background"):
        options = config[kind]["replicas"]
        fitting = [
            group
            for group in painters
            if (limits := group["template"]["spec"]["containers"][0]["resources"]["limits"])
            and int(limits["nvidia.com/gpu"]) >= options["num_gpus"]
            and int(limits["cpu"]) >= options["num_cpus"]
            and int(limits["memory"].removesuffix("Gi")) << 30 >= options["memory_bytes"]
        ]
        assert sum(group["maxReplicas"] for group in fitting) >= options["autoscaling"]["max_replicas"]
    assert any(group["labels"]["accelerator"] != "gpu" for group in groups)


def test_ray_is_the_version_that_the_image_has(gpu: dict[str, Any]) -> None:
    assert gpu["spec"]["rayClusterConfig"]["rayVersion"] == ray.__version__


def test_nobody_gets_in_without_a_token_and_no_pod_is_root(documents: list[dict[str, Any]]) -> None:
    service = only(documents, "RayService")
    assert service["spec"]["rayClusterConfig"]["authOptions"] == {"mode": "token"}
    sets = [each for each in documents if each["kind"] == "StatefulSet"]
    assert sets
    pods = [*ray_pods(service), *(each["spec"]["template"]["spec"] for each in sets)]
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            claimed = {volume["name"] for volume in pod.get("volumes", [])}
            assert mounted <= claimed | {"data"}


def test_every_ray_pod_knows_where_jobs_are_kept(documents: list[dict[str, Any]]) -> None:
    """A pod does not start without the Secret, nor a service without its values."""
    for pod in ray_pods(only(documents, "RayService")):
        for container in pod["containers"]:
            assert container["envFrom"] == [{"secretRef": {"name": "scenewright-store"}}]
    (policy,) = (each["spec"] for each in documents if each["metadata"]["name"] == "scenewright-ray")
    assert [{"port": 5432, "protocol": "TCP"}] in [
        rule["ports"] for rule in policy["egress"] if "to" not in rule
    ]


def test_a_laptop_brings_what_the_base_needs() -> None:
    documents = built(REPOSITORY / "kubernetes/overlays/laptop")
    names = {(each["kind"], each["metadata"]["name"]) for each in documents}
    for kind in ("Service", "StatefulSet", "NetworkPolicy"):
        assert (kind, "scenewright-postgres") in names
    postgres = next(each for each in documents if each["metadata"]["name"] == "scenewright-postgres")
    (pod,) = (
        each["spec"]["template"]["spec"]
        for each in documents
        if each["kind"] == "StatefulSet" and each["metadata"]["name"] == "scenewright-postgres"
    )
    assert postgres["spec"]["selector"] == {"app.kubernetes.io/component": "postgres"}
    (password,) = (each for each in pod["containers"][0]["env"] if each["name"] == "POSTGRES_PASSWORD")
    assert password["valueFrom"]["secretKeyRef"]["name"] == "scenewright-store"
    place = "/var/lib/scenewright-pictures"
    for each in ray_pods(only(documents, "RayService")):
        (container,) = each["containers"]
        assert {"name": "pictures", "mountPath": place} in container["volumeMounts"]
        assert {"name": "SCENEWRIGHT_PICTURES", "value": place} in container["env"]
        claim = {"claimName": only(documents, "PersistentVolumeClaim")["metadata"]["name"]}
        assert {"name": "pictures", "persistentVolumeClaim": claim} in each["volumes"]


def test_pictures_are_claimed_for_several_nodes() -> None:
    claim = yaml.safe_load((REPOSITORY / "kubernetes/components/claimed-pictures/claim.yaml").read_text())
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_image_is_that_of_the_overlay(gpu: dict[str, Any]) -> None:
    assert {pod["containers"][0]["image"] for pod in ray_pods(gpu)} == {"scenewright:cuda"}


def test_policies_and_budgets_select_ray_s_own_labels(documents: list[dict[str, Any]]) -> None:
    """KubeRay sets these labels on its pods; a selector that matches nothing would protect nothing."""
    budget = only(documents, "PodDisruptionBudget")["spec"]
    assert budget["selector"]["matchLabels"].items() >= {"ray.io/node-type": "worker"}.items()
    policies = [document["spec"] for document in documents if document["kind"] == "NetworkPolicy"]
    selectors = [policy["podSelector"]["matchLabels"] for policy in policies]
    assert any("ray.io/is-ray-node" in selector for selector in selectors)
    assert all(policy["policyTypes"] == ["Ingress", "Egress"] for policy in policies)


def test_haproxy_is_switched_on_at_every_node(documents: list[dict[str, Any]]) -> None:
    """The policies open none of HAProxy's own ports, which listen on loopback."""
    for pod in ray_pods(only(documents, "RayService")):
        given = {each["name"]: each.get("value") for each in pod["containers"][0].get("env", [])}
        assert given.get(SWITCH) == "1"
        assert float(given["RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"]) <= 0.5
    (policy,) = (each["spec"] for each in documents if each["metadata"]["name"] == "scenewright-ray")
    among_nodes, *_, scrapers = policy["ingress"]
    assert [port["port"] for port in scrapers["ports"]] == [8080]
    assert among_nodes == {"from": [{"podSelector": {"matchLabels": {"ray.io/is-ray-node": "yes"}}}]}


def test_callers_are_admitted_by_namespace_and_pod_together(documents: list[dict[str, Any]]) -> None:
    """A peer without a namespace selector is in the policy's own namespace."""
    policies = [document for document in documents if document["kind"] == "NetworkPolicy"]
    peers = [peer for policy in policies for rule in policy["spec"]["ingress"] for peer in rule["from"]]
    assert peers
    for peer in peers:
        assert peer["podSelector"]["matchLabels"]
        if "namespaceSelector" in peer:
            assert list(peer["namespaceSelector"]["matchLabels"]) == ["kubernetes.io/metadata.name"]
        else:
            assert list(peer["podSelector"]["matchLabels"]) in (["ray.io/is-ray-node"], ["ray.io/node-type"])
    (callers,) = (peer for peer in peers if "scenewright/client" in peer["podSelector"]["matchLabels"])
    assert callers["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": policies[0]["metadata"]["namespace"]
    }


def test_proxies_log_json(documents: list[dict[str, Any]]) -> None:
    """Serve's proxies log plain text unless JSON is configured."""
    deployed = yaml.safe_load(only(documents, "RayService")["spec"]["serveConfigV2"])
    assert deployed["logging_config"] == {"encoding": "JSON"}
