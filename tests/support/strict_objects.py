"""Check Kubernetes objects, also for unknown fields, which the types from Kubernetes' schema ignore."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

from cloudcoil.models.kubernetes.apps import v1 as apps
from cloudcoil.models.kubernetes.core import v1 as core
from cloudcoil.models.kubernetes.networking import v1 as networking
from cloudcoil.models.kubernetes.policy import v1 as policy
from pydantic import BaseModel, RootModel

from tests.support.ray_service import RayService

KINDS: dict[tuple[str, str], type[BaseModel]] = {
    ("ray.io/v1", "RayService"): RayService,
    ("v1", "Service"): core.Service,
    ("v1", "PersistentVolumeClaim"): core.PersistentVolumeClaim,
    ("apps/v1", "StatefulSet"): apps.StatefulSet,
    ("policy/v1", "PodDisruptionBudget"): policy.PodDisruptionBudget,
    ("networking.k8s.io/v1", "NetworkPolicy"): networking.NetworkPolicy,
}


def check(document: dict[str, Any]) -> None:
    """Validate a document. Raises KeyError for an unknown kind, ValueError for a bad field or value."""
    shape = KINDS[document["apiVersion"], document["kind"]]
    _check_fields(document, shape, document["kind"])
    shape.model_validate(document)


def _check_fields(value: Any, annotation: Any, path: str) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_fields(item, annotation, f"{path}[{index}]")
    if not isinstance(value, dict):
        return
    models, mappings = list(_models(annotation)), list(_mappings(annotation))
    known = {
        field.alias or name: field.annotation
        for model in models
        for name, field in model.model_fields.items()
    }
    for key, item in value.items():
        if models and key not in known:
            raise ValueError(f"{path}.{key} is not a known field")
        for inner in [known[key]] if models else mappings:
            _check_fields(item, inner, f"{path}.{key}")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models anywhere in an annotation such as `list[A] | None`, but not those inside mappings."""
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        yield from _models(annotation.model_fields["root"].annotation)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    if typing.get_origin(annotation) is not dict:
        for argument in typing.get_args(annotation):
            yield from _models(argument)


def _mappings(annotation: Any) -> Iterator[Any]:
    """Yield the value types of the mappings in an annotation."""
    if typing.get_origin(annotation) is dict:
        yield typing.get_args(annotation)[1]
    else:
        for argument in typing.get_args(annotation):
            yield from _mappings(argument)
