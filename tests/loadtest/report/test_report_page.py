"""A report is one file: it loads nothing, and no outside text gets into its markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from loadtest.analysis.slo import parse
from loadtest.analysis.summary import Window, summarise
from loadtest.report.report_page import run_page, search_page
from loadtest.traffic.record import Record

VOID = {"meta", "br", "hr", "img", "input", "link"}
SHAPES = {"svg", "line", "path", "rect", "polyline", "text", "title"}


class Markup(HTMLParser):
    """Collect all tags and attributes, and check that each tag is closed in the right place."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def summary(count: int = 400, **more: Any) -> dict[str, Any]:
    dice = np.random.default_rng(1)
    records = [
        Record(
            index=number,
            entry="scene",
            route="/v1/scenes",
            intended_s=number / 10,
            sent_s=number / 10,
            done_s=number / 10 + float(dice.lognormal(0, 0.4)),
            code="ok" if number % 50 else "502 <b>bad</b>",
            stages_s={"character-denoise": 0.8, "merge": 0.1},
        )
        for number in range(count)
    ]
    made = summarise(records, Window(5, count / 10 - 5), parse("p95<8s,ok>=99%"))
    return made | {"machine": {"processor": "<script>"}, "config": {"url": "http://127.0.0.1:8000"}, **more}


def full_page() -> str:
    faults = [
        {
            "at_s": 12.0,
            "what": "end a replica",
            "result": "ended x",
            "requests": 3,
            "failed": 1,
            "slowest_s": 2.0,
        }
    ]
    replicas = [
        {"at_s": float(s), "replicas": {"Character": 1 + s // 20, "Merger": 1}, "starting": {}}
        for s in range(40)
    ]
    process_memory = {"seen": [{"at_s": 5.0 * n, "bytes": 5e8 + n * 1e6} for n in range(9)]}
    return run_page(summary(faults=faults, replicas=replicas, memory=process_memory))


def test_every_plot_is_drawn() -> None:
    markup = Markup(full_page())
    titles = [value for name, value in markup.attributes if name == "aria-label"]
    assert titles == [
        "Latency over time",
        "Throughput against offered load",
        "Distribution of latency",
        "Latency by percentile",
        "Stages",
        "Replicas over time",
        "Memory of the service's processes",
    ]
    assert set(markup.tags) >= SHAPES - {"title"}


@pytest.mark.parametrize("page", [full_page(), run_page(summary(count=80))], ids=["full", "bare"])
def test_it_refers_to_nothing_outside_itself(page: str) -> None:
    markup = Markup(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(markup.tags)
    assert not {"src", "href", "xlink:href", "srcset", "action", "data"} & {
        name for name, _ in markup.attributes
    }
    assert not re.search(r"url\(|@import|expression\(", page)
    assert not [value for name, value in markup.attributes if "//" in value]


def test_words_from_outside_stay_words() -> None:
    markup = Markup(full_page())
    assert "b" not in [tag for tag in markup.tags if tag == "script"]
    assert "502 <b>bad</b>" in markup.words
    assert "<script>" in "".join(markup.words)


def test_no_figure_is_not_a_number() -> None:
    assert not re.search(r'"[^"]*\bnan\b|\binf\b', full_page())


def test_a_run_without_any_answer_still_has_a_page() -> None:
    empty = summarise([], Window(0, 10)) | {"machine": {}, "config": {}}
    assert "INVALID" in "".join(Markup(run_page(empty)).words)


def test_light_and_dark() -> None:
    assert "prefers-color-scheme: dark" in full_page()


def test_a_search_has_its_curves() -> None:
    probes = [
        {
            "rate_rps": rate,
            "offered_rps": rate,
            "goodput_rps": min(rate, 3.0),
            "latency_s": {"p50": rate, "p95": 2 * rate},
            "met": rate < 3,
            "purpose": "search",
        }
        for rate in (1.0, 2.0, 4.0)
    ]
    markup = Markup(
        search_page({"rate_rps": 2.9, "slo": "p95<8s", "probes": probes, "machine": {}, "config": {}})
    )
    assert "2.9 requests per second meet p95<8s" in markup.words
    assert [v for n, v in markup.attributes if n == "aria-label"] == [
        "Throughput against offered load",
        "Latency against offered load",
    ]
