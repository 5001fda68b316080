# %% [markdown]
# # Scenewright from Python
# A notebook in plain Python cells: VS Code, PyCharm and Jupytext open it as a notebook, and `python` runs it.
# It needs a running service: `scripts/serve`.

# %%
import os

from scenewright import Progress, Scene, Scenewright, ScenewrightError, ServerUnreachable

url = os.environ.get("SCENEWRIGHT_URL") or "http://127.0.0.1:8000"
try:
    service = Scenewright(url, os.environ.get("SCENEWRIGHT_API_KEY"))
    print([card["id"] for card in service.models() if card["serving"]])
except (ScenewrightError, ServerUnreachable) as error:
    raise SystemExit(f"notebook: {error}; is a service running (scripts/serve)?") from None

# %% [markdown]
# ## One scene
# Two descriptions in, one picture out. `.image` is a Pillow image, which a notebook displays.

# %%
scene = service.scene("a knight in silver armor", "a castle at sunset", seed=42)
print(scene.seeds, scene.merge["mode"], scene.degraded)
scene.save("scene.jpg")
scene.image  # noqa: B018 (a notebook shows it)

# %% [markdown]
# ## The layers
# With `layers=True` the figure, the place, the mask and the figure as painted are included as PNG files.

# %%
scene = service.scene(
    "a robot with a lantern", "a forest at night", seed=7, layers=True, merge={"position": "left"}
)
print({name: len(data) for name, data in scene.layers.items()})

# %% [markdown]
# ## Step by step
# Both layers are painted at the same time, and report each step.

# %%
for event in service.scene_events("a wizard in a purple robe", "a snowy mountain", previews=2, seed=1):
    if isinstance(event, Progress) and event.preview:
        print(
            f"{event.layer} after {event.step} of {event.steps} steps: {len(event.preview)} bytes of preview"
        )
    if isinstance(event, Scene):
        print(f"both layers merged in {event.timings_ms['merge']:.0f} ms")

# %% [markdown]
# ## A refused request says why

# %%
try:
    service.scene("a knight", {"prompt": "a castle", "num_inference_steps": 100_000})
except ScenewrightError as error:
    print(type(error).__name__, error.param, error.message)

# %%
service.close()
