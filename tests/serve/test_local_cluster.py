from __future__ import annotations

from serve.config_file import SHIPPED_FOLDER, load
from serve.local_cluster import on_one_node


def test_on_one_machine_no_replica_waits_for_a_label() -> None:
    config = load(SHIPPED_FOLDER / "gpu.yaml").config
    assert config.character.replicas.labels
    local = on_one_node(config)
    everyone = (local.character.replicas, local.background.replicas, local.merger, local.ingress)
    assert all(options.labels == {} for options in everyone)
    assert local.character.generator == config.character.generator
    assert local.background.replicas.num_gpus == 1
