"""Modules that Ray would import needlessly are not imported in our processes."""

from __future__ import annotations

import subprocess
import sys

from serve.runtime import unneeded_imports


def test_a_library_that_imports_one_goes_on_without_it() -> None:
    code = f"""
import sys
from {unneeded_imports.__name__} import UNNEEDED, skip_unneeded_imports
skip_unneeded_imports()
import jsonschema
sys.exit(any(sys.modules.get(name) for name in UNNEEDED))
"""
    subprocess.run([sys.executable, "-c", code], check=True)
