"""Build every call of `/v1/cast` as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from .call import JSON, Call, Words, checked_query, path_segment, patience_s, with_fields
from .encoding import encoded

ZIP = "application/zip"


def add_member(member: Mapping[str, Any]) -> Call[dict[str, Any]]:
    # Not repeatable: a second call would find the name taken.
    return Call("POST", "/v1/cast", _member, {"content": encoded(member)}, JSON)


def member(name: str) -> Call[dict[str, Any]]:
    return Call("GET", _cast(name), _member, repeatable=True)


def members(limit: int, after: str | None) -> Call[dict[str, Any]]:
    query = checked_query(limit=limit, **({} if after is None else {"after": after}))
    return Call("GET", "/v1/cast", _member_list, {"params": query}, repeatable=True)


def change_member(name: str, member: Mapping[str, Any], version: int | None) -> Call[dict[str, Any]]:
    # Not repeatable: each call makes a new version.
    body = {**member, **({} if version is None else {"version": version})}
    return Call("PUT", _cast(name), _member, {"content": encoded(body)}, JSON)


def remove_member(name: str) -> Call[dict[str, Any]]:
    # Not repeatable: a second call would find no member.
    return Call("DELETE", _cast(name), _member)


def sheet(name: str, poses: Sequence[Words], options: dict[str, Any]) -> Call[bytes]:
    def read(response: httpx.Response) -> bytes:
        if response.headers.get("content-type") != ZIP:
            raise ValueError("not an archive")
        return response.content

    path, wait_s = f"{_cast(name)}/sheet", patience_s(options)
    if not poses and not options:
        return Call("GET", path, read, headers={"Accept": ZIP}, at_least_s=wait_s)
    listed = list(poses) if isinstance(poses, Sequence) and not isinstance(poses, str) else poses
    content = {"content": encoded({"poses": listed, **options})}
    return Call("POST", path, read, content, {**JSON, "Accept": ZIP}, at_least_s=wait_s)


def _cast(name: str) -> str:
    return f"/v1/cast/{path_segment(name, 'name must be the name of a cast member', 'name')}"


def _member(response: httpx.Response) -> dict[str, Any]:
    return with_fields(response.json(), name=str, version=int)


def _member_list(response: httpx.Response) -> dict[str, Any]:
    body = with_fields(response.json(), data=list)
    for each in body["data"]:
        with_fields(each, name=str, version=int)
    return body
