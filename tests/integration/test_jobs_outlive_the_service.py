"""Everything is stopped with a job half done; the next service finishes it."""

from __future__ import annotations

from pathlib import Path

import httpx

from ..polling import until
from .test_jobs import job_of, scene, serving


def test_a_job_outlives_the_service(tmp_path: Path) -> None:
    with serving(tmp_path) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
        until(lambda: http.get("/readyz").status_code == 200)
        job_id = http.post("/v1/jobs", json={"scenes": [scene(n) for n in range(12)]}).json()["id"]
        until(lambda: job_of(http, job_id)["done"] > 1, 60)
        before = job_of(http, job_id)["done"]
    with serving(tmp_path) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
        assert job_of(http, job_id)["done"] >= before
        until(lambda: job_of(http, job_id)["status"] == "succeeded", 120)
        others_may = [path for path in (tmp_path, *tmp_path.rglob("*")) if path.lstat().st_mode & 0o077]
        assert others_may == [], "what is kept is this account's alone"
