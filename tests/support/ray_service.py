"""A strict schema for the part of KubeRay's RayService (ray.io/v1) that our manifests use.

KubeRay's own schema comes only with its operator and is not on any package index. Each field, its type and
its choices here were compared with the CRD that KubeRay 1.7.0 publishes, and all overlays were valid under it
and under those of 1.5.1 and 1.6.0 (docs/cluster.md). Pod templates are checked with the types generated from
Kubernetes' own schema.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from cloudcoil.models.kubernetes.core import v1 as core
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

Name = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AutoscalerOptions(Strict):
    version: Literal["v1", "v2"]
    upscalingMode: Literal["Default", "Aggressive", "Conservative"]
    idleTimeoutSeconds: NonNegativeInt
    resources: core.ResourceRequirements


class AuthOptions(Strict):
    mode: Literal["disabled", "token"]
    secretName: str | None = None


class RedisPassword(Strict):
    valueFrom: core.EnvVarSource


class GcsFaultTolerance(Strict):
    redisAddress: str
    redisPassword: RedisPassword


class HeadGroup(Strict):
    rayStartParams: dict[str, str]
    template: core.PodTemplateSpec


class WorkerGroup(Strict):
    groupName: Name
    replicas: NonNegativeInt
    minReplicas: NonNegativeInt
    maxReplicas: NonNegativeInt
    idleTimeoutSeconds: NonNegativeInt | None = None
    labels: dict[str, str]
    rayStartParams: dict[str, str]
    template: core.PodTemplateSpec


class RayCluster(Strict):
    rayVersion: str
    enableInTreeAutoscaling: bool
    autoscalerOptions: AutoscalerOptions
    authOptions: AuthOptions
    gcsFaultToleranceOptions: GcsFaultTolerance
    headGroupSpec: HeadGroup
    workerGroupSpecs: list[WorkerGroup]


class UpgradeStrategy(Strict):
    type: Literal["NewCluster", "None"]


class Spec(Strict):
    serveConfigV2: str
    excludeHeadPodFromServeSvc: bool
    upgradeStrategy: UpgradeStrategy
    rayClusterConfig: RayCluster


class RayService(Strict):
    apiVersion: Literal["ray.io/v1"]
    kind: Literal["RayService"]
    metadata: dict[str, Any]
    spec: Spec
