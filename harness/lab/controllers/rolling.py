"""What a Deployment is made of, and how far it may go from what it should be. Pure.

The limits are kube-controller-manager's (``deployment_util.go``): never more than replicas + maxSurge pods, never fewer
available than replicas - maxUnavailable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.lab.controllers import actions, metadata, paths

Object = dict[str, Any]

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One Deployment with its ReplicaSets.

    Attributes:
        deployment: It.
        hash: The hash of its present template.
        new: The ReplicaSet of that template, if there is one yet.
        old: The ReplicaSets of earlier templates, the oldest revision first.
    """

    deployment: Object
    hash: str
    new: Object | None
    old: list[Object]

    @property
    def replicas(self) -> int:
        """How many replicas are asked for."""
        return int(self.deployment["spec"].get("replicas", 1))

    @property
    def all(self) -> list[Object]:
        """Every ReplicaSet, the new one first."""
        return [*([self.new] if self.new else []), *self.old]


def observe(view: actions.View, deployment: Object) -> Observed:
    """Find a Deployment's ReplicaSets: the one of its present template by the hash, the others by age."""
    owned = metadata.controlled_by(deployment, view.items(paths.REPLICASETS))
    hashed = metadata.template_hash(deployment["spec"]["template"])
    new = [item for item in owned if metadata.labels(item).get(HASH_LABEL) == hashed]
    old = sorted((item for item in owned if item not in new), key=revision)
    return Observed(deployment=deployment, hash=hashed, new=new[0] if new else None, old=old)


def revision(item: Object) -> int:
    """The revision that an object is marked with; 0 for none."""
    value = metadata.annotations_of(item).get(REVISION, "0")
    return int(value) if value.isdigit() else 0


def _strategy(observed: Observed) -> Object:
    found: Object = observed.deployment["spec"].get("strategy") or {}
    return found


def recreates(observed: Observed) -> bool:
    """Whether the old pods go before new ones come."""
    return bool(_strategy(observed).get("type") == "Recreate")


def surge(observed: Observed) -> int:
    """How many pods there may be beyond the replicas asked for; shares are rounded up."""
    rolling: Object = _strategy(observed).get("rollingUpdate") or {}
    return 0 if recreates(observed) else metadata.scaled(rolling.get("maxSurge", "25%"), observed.replicas, up=True)


def may_be_missing(observed: Observed) -> int:
    """How many replicas may be unavailable; shares are rounded down."""
    rolling: Object = _strategy(observed).get("rollingUpdate") or {}
    allowed = metadata.scaled(rolling.get("maxUnavailable", "25%"), observed.replicas, up=False)
    # Neither more nor fewer allowed would mean no progress at all; Kubernetes takes one away then.
    return 1 if allowed == 0 and surge(observed) == 0 else min(allowed, observed.replicas)


def size(replicaset: Object) -> int:
    """How many pods a ReplicaSet is to have."""
    return int(replicaset["spec"].get("replicas", 1))


def count(replicaset: Object, key: str) -> int:
    """A count of a ReplicaSet's status; 0 where it is left out."""
    return int((replicaset.get("status") or {}).get(key, 0))
