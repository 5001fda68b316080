"""The documented Prometheus commands match the files, and the files match what exports metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray._private.ray_constants import PROMETHEUS_SERVICE_DISCOVERY_FILE

from serve.commands.serve import serve

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/cluster.md").read_text(encoding="utf-8")
FILES = ("prometheus.yaml", "prometheus-kubernetes.yaml")


def scraped(name: str) -> dict[str, Any]:
    content = yaml.safe_load((REPOSITORY / "monitoring" / name).read_text())
    return {job["job_name"]: job for job in content["scrape_configs"]}


def test_the_documented_port_is_that_of_the_file() -> None:
    (port,) = re.findall(r"^scripts/serve --metrics-port (\d+) &$", PAGE, re.MULTILINE)
    assert scraped("prometheus.yaml")["scenewright"]["static_configs"] == [{"targets": [f"127.0.0.1:{port}"]}]
    assert "--metrics-port" in {option for each in serve.params for option in each.opts}


@pytest.mark.parametrize("name", FILES)
def test_the_documented_line_names_the_file(name: str) -> None:
    assert f"\nprometheus --config.file=monitoring/{name}\n" in PAGE
    content = yaml.safe_load((REPOSITORY / "monitoring" / name).read_text())
    for rules in content["rule_files"]:
        assert (REPOSITORY / "monitoring" / rules).exists()


def test_ray_writes_its_nodes_where_prometheus_looks() -> None:
    (found,) = scraped("prometheus.yaml")["ray"]["file_sd_configs"]
    (file,) = found["files"]
    assert Path(file).name == PROMETHEUS_SERVICE_DISCOVERY_FILE


def test_prometheus_finds_the_pods_by_what_the_manifests_say() -> None:
    """Debian's promtool cannot check this file: it is built without Kubernetes."""
    job = scraped("prometheus-kubernetes.yaml")["ray"]
    assert job.keys() == {"job_name", "kubernetes_sd_configs", "relabel_configs"}
    overlay = yaml.safe_load((REPOSITORY / "kubernetes/overlays/gpu/kustomization.yaml").read_text())
    assert job["kubernetes_sd_configs"][0]["namespaces"] == {"names": [overlay["namespace"]]}
    manifest = (REPOSITORY / "kubernetes/base/rayservice.yaml").read_text()
    assert manifest.count("{containerPort: 8080, name: metrics}") == 2
    keep = job["relabel_configs"][0]
    assert keep["regex"] == "yes;metrics"
    assert keep["source_labels"] == [
        "__meta_kubernetes_pod_label_ray_io_is_ray_node",
        "__meta_kubernetes_pod_container_port_name",
    ]
