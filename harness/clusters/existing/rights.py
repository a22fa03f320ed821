"""Every right that a run uses, and whether the user has it.

Verbs are those that the API server authorises, which are not always those of HTTP: server-side apply is ``patch`` and,
for what is not there yet, ``create``; an exec over a WebSocket is ``get``, and from Kubernetes 1.35 on ``create`` too.
``manifests/incluster/rbac.yaml`` and ``rbac-switch.yaml`` grant exactly these.
"""

from __future__ import annotations

import concurrent.futures
import enum
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import tabulate

from harness.core import errors
from harness.kube import client

_AT_ONCE = 8
OWN = "(own)"
"""Stands for each of the run's own namespaces."""


class Purpose(enum.Enum):
    """What a right is for: to look at the cluster, to ask its nodes' kernels, for the run's own, or to switch."""

    SEE = "look"
    PROVE = "proof"
    MAKE = "workloads"
    SWITCH = "switch"


@dataclass(frozen=True, kw_only=True)
class Right:
    """One thing that a user may or may not do.

    Attributes:
        verb: As the API server authorises it.
        group: The API group; empty for the core.
        resource: The plural name, with a subresource after a slash.
        namespace: Where; ``OWN`` for the run's own namespaces, empty for the whole cluster.
        name: Which object; empty for all.
        purpose: What for.
    """

    verb: str
    group: str
    resource: str
    purpose: Purpose
    namespace: str = ""
    name: str = ""


def _rights(
    purpose: Purpose, verbs: str, group: str, resources: str, *, namespace: str = "", name: str = ""
) -> Iterator[Right]:
    for resource in resources.split():
        for verb in verbs.split():
            yield Right(verb=verb, group=group, resource=resource, purpose=purpose, namespace=namespace, name=name)


_OPERATOR, _CALICO, _SYSTEM = "tigera-operator", "calico-system", "kube-system"
READING = (
    *_rights(Purpose.SEE, "list", "", "namespaces nodes pods services"),
    *_rights(Purpose.SEE, "list", "discovery.k8s.io", "endpointslices"),
    *_rights(Purpose.SEE, "list", "networking.k8s.io", "servicecidrs"),
    *_rights(Purpose.SEE, "list", "crd.projectcalico.org", "blockaffinities"),
    *_rights(Purpose.SEE, "list", "projectcalico.org", "blockaffinities"),
    *_rights(Purpose.SEE, "get", "crd.projectcalico.org", "felixconfigurations", name="default"),
    *_rights(Purpose.SEE, "get", "operator.tigera.io", "installations", name="default"),
    *_rights(Purpose.SEE, "get", "operator.tigera.io", "tigerastatuses", name="calico"),
    *_rights(Purpose.SEE, "get", "", "configmaps", namespace=_SYSTEM, name="kube-proxy"),
    *_rights(Purpose.PROVE, "get", "", "pods/log", namespace=_CALICO),
    *_rights(Purpose.PROVE, "get create", "", "pods/exec", namespace=_CALICO),
)
"""What a look at the cluster, and the proof of its dataplane, need."""
MAKING = (
    *_rights(Purpose.MAKE, "get create patch delete", "", "namespaces"),
    *_rights(Purpose.MAKE, "create patch", "", "serviceaccounts services", namespace=OWN),
    *_rights(Purpose.MAKE, "get create patch", "apps", "deployments daemonsets", namespace=OWN),
    *_rights(Purpose.MAKE, "get", "", "pods pods/log", namespace=OWN),
    *_rights(Purpose.MAKE, "get create", "", "pods/exec", namespace=OWN),
)
"""What the run's own workloads need."""
SWITCHING = (
    *_rights(Purpose.SWITCH, "patch", "operator.tigera.io", "installations", name="default"),
    *_rights(Purpose.SWITCH, "get patch", "apps", "daemonsets", namespace=_SYSTEM, name="kube-proxy"),
    *_rights(Purpose.SWITCH, "create", "", "configmaps", namespace=_OPERATOR),
    *_rights(
        Purpose.SWITCH, "get patch delete", "", "configmaps", namespace=_OPERATOR, name="kubernetes-services-endpoint"
    ),
    *_rights(Purpose.SWITCH, "get patch", "apps", "deployments", namespace=_OPERATOR, name="tigera-operator"),
    *_rights(Purpose.SWITCH, "get", "discovery.k8s.io", "endpointslices", namespace="default", name="kubernetes"),
)
"""What a switch of the dataplane and the way back need."""


def wanted(*, switching: bool) -> tuple[Right, ...]:
    """All that a run uses."""
    return (*READING, *MAKING, *(SWITCHING if switching else ()))


def missing(api: client.Client, asked: Iterable[Right]) -> tuple[Right, ...]:
    """Which of these rights the user lacks; the run's own namespaces are the client's shape's.

    Raises:
        ApiError: The API would not say.
    """
    spread = [one for right in asked for one in _spread(right, api.shape.namespaces())]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        allowed = list(pool.map(lambda right: _allowed(api, right), spread))
    return tuple(right for right, held in zip(spread, allowed, strict=True) if not held)


def _spread(right: Right, own: Sequence[str]) -> Iterator[Right]:
    if right.namespace != OWN:
        yield right
        return
    for namespace in own:
        yield replace(right, namespace=namespace)


def _allowed(api: client.Client, right: Right) -> bool:
    answer = api.create(client.REVIEWS, review(right))
    return bool((answer.get("status") or {}).get("allowed"))


def review(right: Right) -> client.Object:
    """The question whether the user has a right. Pure."""
    resource, _, subresource = right.resource.partition("/")
    fields = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in fields.items() if value}},
    }


def table(lacking: Iterable[Right]) -> str:
    """Missing rights for people. Pure."""
    rows = [
        (right.verb, f"{right.resource}{'.' if right.group else ''}{right.group}", right.name, right.namespace or "all",
         right.purpose.value)
        for right in lacking
    ]  # fmt: skip
    return tabulate.tabulate(rows, headers=("verb", "resource", "name", "namespace", "for"), tablefmt="simple")


def refusal(lacking: Sequence[Right], context: str) -> errors.UsageError:
    """The error that missing rights are. Pure."""
    return errors.UsageError(
        f"context {context}: {len(lacking)} rights are missing, listed above; nothing was made "
        "(manifests/incluster/rbac.yaml grants them)"
    )
