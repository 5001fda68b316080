"""Run the smallest benchmark of peers, and test its parts that need no server."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.peers import __main__ as peers
from loadtest.traffic import mix
from serve.config.serve_file import load
from tests.support.bench_runs import Bench


def test_the_compiled_service_differs_in_how_its_models_are_run_alone(tmp_path: Path) -> None:
    shipped = load(peers.REPOSITORY / "serve/local.yaml").config
    compiled = load(peers.compiled(tmp_path)).config
    for kind in ("character", "background"):
        model, as_shipped = (getattr(each, kind).generator.model for each in (compiled, shipped))
        assert (model.dtype, model.compile) == ("bfloat16", True)
        assert (model.source, model.threads) == (as_shipped.source, as_shipped.threads)


def test_the_mix_names_every_request_by_its_steps() -> None:
    for entry in mix.load(peers.MIX).requests:
        assert entry.steps == [int(entry.name.split()[0])]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_peers_and_the_bare_engines_are_measured(bench: Bench) -> None:
    names = ("fastapi-diffusers", "litserve")
    only = [word for name in (*names, peers.BARE) for word in ("--only", name)]
    printed, report = bench("peers", *only)
    for name in names:
        assert report[name]["failed"] == 0 and report[name]["answered"] > 0
    assert report[peers.BARE]["steps_s"] > 0
    assert peers.BARE in printed
