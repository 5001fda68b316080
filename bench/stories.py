"""Make books on a real Ray: with 1, 2 and 4 pairs of simulated generators, or one with the bundled models."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import ray
import yaml

from bench.pages.sections import write_section
from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port

REPOSITORY = Path(__file__).parents[1]
EXAMPLE = REPOSITORY / "examples/story.yaml"
PAIRS = (1, 2, 4)
PAGES, FIGURES, STEPS, STEP_S = 8, 2, 20, 0.25
POLL_S = 0.05
ENDED = ("succeeded", "failed", "cancelled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smoke test: a short story over one pair")
    parser.add_argument(
        "--bundled", action="store_true", help="paint the example's book with the bundled models"
    )
    parser.add_argument(
        "--docs", type=Path, metavar="DIR", help="also write the figures into DIR/performance.md"
    )
    arguments = parser.parse_args()
    if arguments.bundled:
        report(arguments.docs, "books-bundled", [bundled_book()])
        return
    pairs, pages, steps = ((1,), 2, 2) if arguments.quick else (PAIRS, PAGES, STEPS)
    lines = [
        f"Simulated generators on a real Ray: a step of one picture takes {STEP_S} s, and a step of n"
        f" pictures n times as long. {pages} pages of {FIGURES} figures and a background, {steps} steps each."
        f" {machine()}.",
        "",
        "| pairs | seconds | of linear |",
        "|---|---|---|",
    ]
    seconds: dict[int, float] = {}
    for count in pairs:
        seconds[count] = measure(count, pages, steps)
        lines.append(f"| {count} | {seconds[count]:.2f} | {of_linear(seconds)[count]:.1%} |")
        print(lines[-1], flush=True)
    report(arguments.docs, "books", lines)


def report(docs: Path | None, section: str, lines: Sequence[str]) -> None:
    """Print the lines, and write them into the page of the docs if a folder is given."""
    print(*lines, sep="\n", flush=True)
    if docs is not None:
        write_section(docs / "performance.md", section, "\n".join(lines))


def machine() -> str:
    versions = f"Python {platform.python_version()}, Ray {ray.__version__}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {versions}, load {os.getloadavg()[0]:.1f}"


def bundled_book() -> str:
    """Make the example's book with freshly started bundled models. Return its time in a sentence."""
    document = yaml.safe_load((REPOSITORY / "serve/local.yaml").read_text())
    with tempfile.TemporaryDirectory() as folder:
        arguments = document["applications"][0]["args"] | {"state_dir": folder, "authentication": "off"}
        body = yaml.safe_load(EXAMPLE.read_text())
        took_s = timed(ServiceConfig.model_validate(arguments), (), body)
    layers = sum(1 + len(page["characters"]) for page in body["pages"])
    return (
        f"`examples/story.yaml`, {len(body['pages'])} pages with {layers} layers, where equal layers are"
        f" painted once: {took_s / 60:.1f} minutes. {machine()}."
    )


def of_linear(seconds: Mapping[int, float]) -> dict[int, float]:
    """Return each number of pairs' speed as a fraction of linear scaling from the smallest number."""
    fewest = min(seconds)
    return {pairs: seconds[fewest] * fewest / (took_s * pairs) for pairs, took_s in seconds.items()}


def measure(pairs: int, pages: int, steps: int) -> float:
    """Return the seconds from a story's submission until its last page is kept. Starts a new Ray."""
    with tempfile.TemporaryDirectory() as folder:
        first = story(pairs, 2, "the first pages, by which the replicas learn their speed")
        return timed(config(pairs, folder), (first,), story(pages, steps, "measured"))


def timed(settings: ServiceConfig, before: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> float:
    """Start a new Ray, make the stories `before`, and return the seconds that the story `body` takes."""
    with (
        local_cluster.running(settings, "127.0.0.1", free_port()) as url,
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):
        for each in before:
            make(http, each)
        begun = time.monotonic()
        make(http, body)
        return time.monotonic() - begun


def config(pairs: int, state_dir: str) -> ServiceConfig:
    """Return a service with `pairs` pairs, without kept layers or a gain from batching: time is work."""
    document = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())
    arguments = document["applications"][0]["args"]
    for kind in ("character", "background"):
        generator = arguments[kind]["generator"]
        generator["simulated"] = {"step_s": STEP_S, "shared_step_ratio": 1.0}
        generator["generation"] = {"result_cache_bytes": 0}
        arguments[kind]["replicas"] |= {"num_replicas": pairs}
    # A worker paints as many pages at once as the story has, so that no generator waits for it.
    arguments["jobs"] = {"concurrency": PAGES, "poll_s": POLL_S}
    arguments |= {"state_dir": state_dir, "authentication": "off"}
    return ServiceConfig.model_validate(arguments)


def story(pages: int, steps: int, title: str) -> dict[str, Any]:
    """Return a story without two equal layers, since equal ones are painted only once."""

    def layer(words: str) -> dict[str, Any]:
        return {"prompt": f"{words}, {title}", "num_inference_steps": steps}

    return {
        "title": title,
        "seed": 7,
        "pages": [
            {
                "text": f"Page {page}.",
                "characters": [layer(f"figure {figure} of page {page}") for figure in range(FIGURES)],
                "background": layer(f"the place of page {page}"),
            }
            for page in range(pages)
        ],
    }


def make(http: httpx.Client, body: Mapping[str, Any]) -> None:
    """Submit a story, and return once all of its pages are painted."""
    submitted = http.post("/v1/stories", json=dict(body))
    submitted.raise_for_status()
    address = f"/v1/stories/{submitted.json()['id']}"
    while (found := http.get(address).raise_for_status().json())["status"] not in ENDED:
        time.sleep(POLL_S)
    if found["status"] != "succeeded":
        raise SystemExit(f"bench: {found['failed']} pages failed")


if __name__ == "__main__":
    main()
