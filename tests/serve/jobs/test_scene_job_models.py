"""A job's scenes keep the model that they named, whatever is served when they are painted."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.errors import InvalidRequest
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.jobs.scene_jobs import admit_all, ready_to_paint

NO_ONE: Any = object()


def serving(*sources: str) -> ServiceConfig:
    models = [{"generator": {"model": {"source": source}}} for source in sources]
    return ServiceConfig.model_validate({"character": {"models": models}})


def kept(config: ServiceConfig, model: str | None) -> str:
    layer = {"prompt": "a knight", "model": model}
    scene = SceneRequest.model_validate({"character": layer, "background": "a castle"})
    return admit_all([scene], "a" * 32, config)[0].job


@pytest.mark.parametrize(
    ("named", "painted"),
    [(None, ["", "", ""]), ("a", ["", "a", "a"]), ("b", ["b", "", "b"])],
)
def test_a_model_that_was_named_is_found_wherever_it_stands(named: str | None, painted: list[str]) -> None:
    job = kept(serving("a", "b"), named)
    later = [serving("a", "b"), serving("b", "a"), serving("c", "b", "a")]
    assert [ready_to_paint(job, 60, config).figures[0].model for config in later] == painted


def test_one_that_is_gone_is_no_others_to_paint() -> None:
    job = ready_to_paint(kept(serving("a", "b"), "b"), 60, serving("a")).figures[0]
    with pytest.raises(InvalidRequest, match="the model b is no longer available here") as raised:
        Graph(NO_ONE, NO_ONE, NO_ONE).painter(job)
    assert raised.value.param == "character.model"


def test_a_scene_that_was_kept_before_there_were_several_has_the_first() -> None:
    old = kept(serving("a"), None).replace('"model":"",', "").replace(',"model":""', "")
    assert '"model"' not in old
    assert ready_to_paint(old, 60, serving("b", "a")).figures[0].model == ""


def test_each_of_several_figures_keeps_its_own() -> None:
    figures = [{"prompt": "a knight", "model": model} for model in ("b", None, "a")]
    scene = SceneRequest.model_validate({"characters": figures, "background": "a castle"})
    job = admit_all([scene], "a" * 32, serving("a", "b"))[0].job
    assert [each.model for each in ready_to_paint(job, 60, serving("a", "b")).figures] == ["b", "", ""]
    assert [each.model for each in ready_to_paint(job, 60, serving("b", "a")).figures] == ["", "", "a"]
