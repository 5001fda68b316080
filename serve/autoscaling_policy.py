"""Keep the import path that deployed YAML files use: `serve.autoscaling_policy:JointPolicy`."""

from .autoscaling.policy import JointPolicy as JointPolicy
