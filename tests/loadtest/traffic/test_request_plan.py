from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from typing import Any

from loadtest.traffic.mix import Mix, default_mix, parse
from loadtest.traffic.picture_check import Wanted
from loadtest.traffic.request_plan import endless, plan


def mix(*requests: dict[str, Any], **more: Any) -> Mix:
    named = [{"name": f"r{number}"} | request for number, request in enumerate(requests)]
    return parse(json.dumps({"characters": ["c"], "backgrounds": ["b"], "requests": named} | more))


def test_weights_decide_how_often() -> None:
    requests = plan(mix({"weight": 3}, {"weight": 1}), [0.0] * 4_000, seed=1)
    counts = Counter(request.entry for request in requests)
    assert 2_850 < counts["r0"] < 3_150


def test_every_request_has_a_seed_of_its_own_unless_few_are_requested() -> None:
    assert len({request.body["seed"] for request in plan(mix({}), [0.0] * 500, 1)}) == 500
    assert {request.body["seed"] for request in plan(mix({}, seeds=3), [0.0] * 500, 1)} == {0, 1, 2}


def test_a_scene_says_what_the_mix_says_and_leaves_the_rest_to_the_service() -> None:
    (plain,) = plan(mix({}), [1.5], 1)
    assert set(plain.body) == {"character", "background", "seed"}
    assert (plain.at_s, plain.path, plain.wanted) == (1.5, "/v1/scenes", Wanted())
    entry = {
        "steps": [7],
        "frame": ["128x64"],
        "merge_mode": ["paste"],
        "format": ["png"],
        "character_size": ["64x96"],
        "fields": {"deadline_s": 9},
    }
    (full,) = plan(mix(entry), [0.0], 1)
    assert full.body["merge"] == {"width": 128, "height": 64, "mode": "paste"}
    assert full.body["character"] == {"prompt": "c", "num_inference_steps": 7, "width": 64, "height": 96}
    assert full.body["background"] == {"prompt": "b", "num_inference_steps": 7}
    assert (full.body["output"], full.body["deadline_s"]) == ({"format": "png"}, 9)
    assert full.wanted == Wanted((128, 64), "png")


def test_a_layer_alone_is_flat_and_its_picture_of_its_size() -> None:
    (request,) = plan(mix({"route": "backgrounds", "background_size": ["96x64"]}), [0.0], 1)
    assert (request.path, request.body["prompt"], request.body["width"]) == ("/v1/backgrounds", "b", 96)
    assert request.wanted.size_px == (96, 64)


def test_the_scenes_of_a_job_are_of_one_size_and_different_seeds() -> None:
    (request,) = plan(mix({"route": "jobs", "scenes": 5, "frame": ["64x64", "128x64", "256x64"]}), [0.0], 1)
    scenes = request.body["scenes"]
    assert len({scene["merge"]["width"] for scene in scenes}) == 1
    assert len({scene["seed"] for scene in scenes}) == 5


def test_cancels_have_their_share_and_their_times() -> None:
    requests = plan(mix({"cancels": {"share": 0.25, "after_s": [0.5, 2.0]}}), [0.0] * 2_000, 1)
    after = [request.cancel_after_s for request in requests if request.cancel_after_s is not None]
    assert 430 < len(after) < 570
    assert min(after) >= 0.5 and max(after) <= 2.0


def test_a_closed_loop_draws_the_same_requests() -> None:
    drawn = [request.body for request in islice(endless(default_mix(), 7), 20)]
    assert drawn == [request.body for request in plan(default_mix(), [0.0] * 20, 7)]
