"""Write which machine this is, and the versions of its packages."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

PACKAGES = ("torch", "triton", "diffusers", "transformers", "greenlet", "numpy", "pydantic", "pytest")


def main() -> None:
    told: dict[str, object] = {"python": platform.python_version()}
    told |= {name: _version(name) for name in PACKAGES}
    told["device"] = "cpu"
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        told["device"] = properties.name
        told["memory_gib"] = round(properties.total_memory / 2**30, 1)
        told["cuda"] = torch.version.cuda
    print(", ".join(f"{name} {value}" for name, value in told.items()))
    Path(sys.argv[1]).write_text(json.dumps(told), encoding="utf-8")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is missing"


if __name__ == "__main__":
    main()
