"""Every part of the graph logs a request's id, and none logs a caller's words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import ray

from tests.support.polling import until
from tests.support.running_service import SCENE

PARTS = ("Ingress", "Character", "Background", "Merger")


def records() -> Iterator[tuple[Path, dict[str, Any]]]:
    folder = Path(ray._private.worker._global_node.get_logs_dir_path()) / "serve"
    for file in folder.glob("replica_*.log"):
        for line in file.read_text().splitlines():
            yield file, json.loads(line)


def parts_that_saw(request_id: str) -> set[str]:
    return {
        part
        for file, record in records()
        for part in PARTS
        if f"_{part}_" in file.name and record.get("request_id") == request_id
    }


def test_one_id_through_both_branches_and_the_merger(http: httpx.Client) -> None:
    until(lambda: http.get("/readyz").status_code == 200)
    words = {"character": "an unmistakable heron", "background": "an unmistakable harbour"}
    response = http.post("/v1/scenes", json=SCENE | words, headers={"X-Request-ID": "trace-me"})
    assert response.status_code == 200
    until(lambda: parts_that_saw("trace-me") == set(PARTS))
    assert not [record for _, record in records() if "unmistakable" in json.dumps(record)]


def test_the_proxy_s_access_log_is_json_and_has_no_query_strings(http: httpx.Client) -> None:
    response = http.get("/v1/models?words=unmistakable", headers={"X-Request-ID": "trace-proxy"})
    assert response.status_code == 200
    assert http.get("/nowhere?words=unmistakable").status_code == 404
    line = until(lambda: next((each for each in proxy_lines() if "trace-proxy" in each), None))
    record = json.loads(line)
    assert (record["component_name"], record["request_id"]) == ("proxy", "trace-proxy")
    assert record["message"].startswith("GET /") and " 200 " in record["message"]
    for line in proxy_lines():
        json.loads(line)
        assert "unmistakable" not in line


def proxy_lines() -> list[str]:
    folder = Path(ray._private.worker._global_node.get_logs_dir_path()) / "serve"
    return [line for file in folder.glob("proxy_*.log") for line in file.read_text().splitlines()]
