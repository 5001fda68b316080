"""List what each documentation page expects from its reader, and what its commands print."""

from __future__ import annotations

from tests.support import page_preparations as prepare
from tests.support.page_preparations import Preparation

MIRA = "scenewright cast add mira --reference mira.png"
SHORT_PLAN = {
    "scenewright plan --rps": "scenewright plan --scenes 500 --rps",
    "scenewright profile ": "scenewright profile --pictures 1 ",
}
QUICK_MODEL = {"num_inference_steps=20": "num_inference_steps=2"}

PAGES: dict[str, Preparation] = {
    "README.md": Preparation(printed=("200 OK", "pirate.png", "book.pdf")),
    "client-js/README.md": Preparation(names=prepare.typescript),
    "client/README.md": Preparation("castle.png bridge.png face.png mira.png", names=prepare.client),
    "docs/backup.md": Preparation(own_state=True, printed=("a game",)),
    "docs/cluster.md": Preparation(keyed=True, own_state=True, replaced=SHORT_PLAN),
    "docs/composition.md": Preparation("figure.png place.jpg knight.png dragon.png"),
    "docs/docker.md": Preparation(keyed=True, names=prepare.docker),
    "docs/guides/browsers.md": Preparation(keyed=True, printed=('"token":"swt_',)),
    "docs/guides/cast.md": Preparation(
        "mira.png",
        {"scenewright cast export": f"{MIRA}\nscenewright cast export"},
        names=prepare.poses,
    ),
    "docs/guides/command-line.md": Preparation(
        "beach.png sea.png face.png",
        {"--character-model ID": "--character-model $model", "job fetch ID": "job fetch $job"},
        printed=("swt_",),
        keyed=True,
        names=prepare.command_line,
    ),
    "docs/guides/proxies.md": Preparation(
        printed=("HTTP/1.1 202 Accepted", "preference-applied: respond-async", "location: /v1/jobs/")
    ),
    "docs/guides/python.md": Preparation(
        "knight.png dragon.png castle.jpg castle.png bridge.png face.png skeleton.png"
    ),
    "docs/guides/start-pictures.md": Preparation("castle.png hole.png", printed=('"id":"pic_',)),
    "docs/guides/story-agent.md": Preparation(names=prepare.story_agent),
    "docs/guides/webhooks.md": Preparation(
        own_state=True,
        replaced={"msg_2f8c…": '"$(scenewright webhooks list | grep -o "msg_[0-9a-zA-Z]*" | head -n 1)"'},
        printed=("whsec_", "https://hooks.example.com/scenewright", "will be sent again"),
        names=prepare.webhooks,
    ),
    "docs/load-testing.md": Preparation(
        replaced={
            "--rate 0.5 --duration 60 --warmup 5": "--rate 8 --duration 1 --warmup 0",
            "--html r.html": "--html r.html || [ $? = 3 ]",  # 3: too busy here to keep the rate
        },
        printed=("goodput",),
    ),
    "docs/security.md": Preparation(replaced={" ID ": " $id "}, printed=("acme",), names=prepare.security),
    "docs/sizing.md": Preparation(replaced=SHORT_PLAN, names=prepare.sizing),
    "docs/upgrading.md": Preparation(names=prepare.upgrading),
    "docs/usage.md": Preparation(keyed=True, printed=('"total":',)),
    "examples/story_agent/README.md": Preparation(own_state=True, names=prepare.project),
    "models/storybook-background/README.md": Preparation(replaced=QUICK_MODEL),
    "models/storybook-character/README.md": Preparation(replaced=QUICK_MODEL),
}
