"""Name the joint policy as deployed YAML files do: `serve.autoscaling_policy:JointPolicy`."""

from .autoscaling.policy import JointPolicy as JointPolicy
