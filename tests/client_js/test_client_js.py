"""Build the TypeScript client from our OpenAPI document, and run its own tests in Node."""

from __future__ import annotations

import json

from tests.support.client_js import FOLDER, built, npm


def test_its_own_tests_pass() -> None:
    built()
    npm("run", "--silent", "check")
    printed = npm("run", "--silent", "test:built")
    assert "# fail 0" in printed, printed
    assert "# pass 0" not in printed, printed


def test_the_lock_names_no_registry_and_every_hash() -> None:
    lock = json.loads((FOLDER / "package-lock.json").read_text())
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    for name, package in packages.items():
        assert "resolved" not in package, name
        assert package["integrity"].startswith("sha512-"), name
        assert package.get("dev") is True, f"{name} would be needed to run the client"
    manifest = json.loads((FOLDER / "package.json").read_text())
    assert "dependencies" not in manifest
    for version in manifest["devDependencies"].values():
        assert version[0].isdigit(), "not pinned exactly"
