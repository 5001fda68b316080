"""Finding a pose's feet, and placing a scene's figures on them."""

from __future__ import annotations

import pytest

from deployments.messages import Feet, Keypoint
from serve.api.guides import feet_of
from serve.api.resolve import admit_scene
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from tests.support.local_service import simulated_config
from tests.support.poses import KEYPOINTS, STANDING, moved

SOLE_Y = 0.86 + 0.16 * 0.18


@pytest.mark.parametrize(
    ("pose", "feet"),
    [
        (STANDING, (0.5, SOLE_Y)),
        (moved(10, 0.3, 0.7), (0.58, SOLE_Y)),  # the right foot is lifted
        (moved(13, 0.58, 0.86, 0), (0.42, SOLE_Y)),
        (moved(9, 0, 0, 0)[:13] + moved(13, 0, 0, 0)[13:], (0.42, 0.86)),  # no knee, so no shin to measure
        (moved(10, 0.4, 1.0), (0.4, 1.0)),
        ((), None),
        (tuple((x, y, 0.0 if index in (10, 13) else 1.0) for index, (x, y, _) in enumerate(STANDING)), None),
    ],
)
def test_the_feet_are_between_the_soles_that_stand(pose: tuple[Keypoint, ...], feet: Feet | None) -> None:
    assert feet_of(pose) == (None if feet is None else pytest.approx(feet))


def config_with_poses() -> ServiceConfig:
    data = simulated_config().model_dump()
    data["character"]["generator"]["model"]["pose_controlnet"] = "controlnet"
    return ServiceConfig.model_validate(data)


def test_a_scenes_merge_knows_the_feet_of_each_figure() -> None:
    config = config_with_poses()
    posed = {"prompt": "a fox", "pose": {"keypoints": KEYPOINTS}}
    one = SceneRequest.model_validate({"character": posed, "background": "a hill"})
    assert admit_scene(one, config, "r", None).merge.options.feet == pytest.approx((0.5, SOLE_Y))
    several = SceneRequest.model_validate({"characters": ["a dog", posed], "background": "a hill"})
    merge = admit_scene(several, config, "r", None).merge
    assert merge.options.feet is None
    assert [figure.feet is None for figure in merge.figures] == [True, False]
