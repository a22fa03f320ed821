"""The kinds that the server knows, one row each.

Plural names, short names, categories and verbs are those of the recorded discovery documents of a real API server
(v1.36.2); what the lab lacks is not listed there and is refused as an unknown resource.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CHANGE_VERBS = ("get", "patch", "update")


@dataclass(frozen=True, kw_only=True)
class Subresource:
    """One subresource of a resource.

    Attributes:
        name: As in the path.
        kind: The kind that it answers with.
        verbs: What may be done with it.
        group: The group of that kind; empty for the resource's own.
        version: The version of that kind; empty for the resource's own.
    """

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One kind and how the API serves it.

    Attributes:
        group: API group; empty for the core.
        version: API version.
        plural: The name in paths.
        kind: The name in objects.
        schema: Its type in ``schema``.
        namespaced: Whether its objects live in namespaces.
        short_names: What kubectl accepts for it too.
        categories: Such as ``all``.
        generation: Whether ``metadata.generation`` counts the changes of its spec.
        subresources: With ``status`` among them, the status is written only there.
        selectable: Fields that a field selector may name besides name and namespace.
        verbs: What may be done.
        custom: Whether a real cluster has it from a CustomResourceDefinition.
        unconditional_update: Whether an update may leave out the resourceVersion.
        create_on_update: Whether a PUT makes what is not there.
        returns_deleted: Whether a DELETE answers with the object and not with a Status.
        stored_as: The resource whose objects these are, seen in another group.
    """

    group: str = ""
    version: str = "v1"
    plural: str
    kind: str
    schema: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    generation: bool = False
    subresources: tuple[Subresource, ...] = ()
    selectable: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    custom: bool = False
    unconditional_update: bool = True
    create_on_update: bool = False
    returns_deleted: bool = False
    stored_as: tuple[str, str] | None = None

    @property
    def singular(self) -> str:
        """The lower-case kind, as discovery gives it."""
        return self.kind.lower()

    @property
    def group_version(self) -> str:
        """What objects have as apiVersion."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The plural with its group, as in ``deployments.apps``: Kubernetes' messages name it so."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def storage(self) -> tuple[str, str]:
        """The key of its objects in the store: group and plural."""
        return self.stored_as or (self.group, self.plural)

    @property
    def storage_version_hash(self) -> str:
        """The hash that discovery shows (of group/version/kind; equal to the recorded ones)."""
        digest = hashlib.sha256(f"{self.group}/{self.version}/{self.kind}".encode()).digest()
        return base64.b64encode(digest[:8]).decode()

    def subresource(self, name: str) -> Subresource | None:
        """The subresource of that name."""
        return next((item for item in self.subresources if item.name == name), None)


def _status(kind: str) -> Subresource:
    return Subresource(name="status", kind=kind, verbs=CHANGE_VERBS)


_SCALE = Subresource(name="scale", kind="Scale", verbs=CHANGE_VERBS, group="autoscaling", version="v1")
_EVENT_FIELDS = (
    "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
    "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason",
    "reportingComponent", "source", "type",
)  # fmt: skip
_POD_FIELDS = (
    "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork",
    "status.phase", "status.podIP", "status.podIPs", "status.nominatedNodeName",
)  # fmt: skip


def _core() -> tuple[Resource, ...]:
    return (
        Resource(plural="configmaps", kind="ConfigMap", schema="V1ConfigMap", short_names=("cm",)),
        Resource(
            plural="endpoints", kind="Endpoints", schema="V1Endpoints", short_names=("ep",), create_on_update=True
        ),
        Resource(
            plural="events", kind="Event", schema="CoreV1Event", short_names=("ev",), selectable=_EVENT_FIELDS,
            create_on_update=True,
        ),
        Resource(
            plural="namespaces", kind="Namespace", schema="V1Namespace", namespaced=False, short_names=("ns",),
            verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection"), selectable=("status.phase",),
            subresources=(Subresource(name="finalize", kind="Namespace", verbs=("update",)), _status("Namespace")),
        ),
        Resource(
            plural="nodes", kind="Node", schema="V1Node", namespaced=False, short_names=("no",),
            selectable=("spec.unschedulable",), subresources=(_status("Node"),),
        ),
        _pods(),
        Resource(
            plural="secrets", kind="Secret", schema="V1Secret", selectable=("type",),
        ),
        Resource(
            plural="serviceaccounts", kind="ServiceAccount", schema="V1ServiceAccount", short_names=("sa",),
            returns_deleted=True,
        ),
        Resource(
            plural="services", kind="Service", schema="V1Service", short_names=("svc",), categories=("all",),
            selectable=("spec.clusterIP", "spec.type"), subresources=(_status("Service"),), returns_deleted=True,
        ),
    )  # fmt: skip


def _pods() -> Resource:
    return Resource(
        plural="pods", kind="Pod", schema="V1Pod", short_names=("po",), categories=("all",),
        generation=True, selectable=_POD_FIELDS, returns_deleted=True,
        subresources=(
            Subresource(name="binding", kind="Binding", verbs=("create",)),
            Subresource(name="exec", kind="PodExecOptions", verbs=("create", "get")),
            Subresource(name="log", kind="Pod", verbs=("get",)),
            _status("Pod"),
        ),
    )  # fmt: skip


def _workloads() -> tuple[Resource, ...]:
    return (
        Resource(group="apps", plural="controllerrevisions", kind="ControllerRevision", schema="V1ControllerRevision"),
        Resource(
            group="apps", plural="daemonsets", kind="DaemonSet", schema="V1DaemonSet", short_names=("ds",),
            categories=("all",), generation=True, subresources=(_status("DaemonSet"),),
        ),
        Resource(
            group="apps", plural="deployments", kind="Deployment", schema="V1Deployment", short_names=("deploy",),
            categories=("all",), generation=True, subresources=(_SCALE, _status("Deployment")),
        ),
        Resource(
            group="apps", plural="replicasets", kind="ReplicaSet", schema="V1ReplicaSet", short_names=("rs",),
            categories=("all",), generation=True, selectable=("status.replicas",),
            subresources=(_SCALE, _status("ReplicaSet")),
        ),
    )  # fmt: skip


def _other_built_in() -> tuple[Resource, ...]:
    return (
        Resource(
            group="events.k8s.io", plural="events", kind="Event", schema="EventsV1Event", short_names=("ev",),
            stored_as=("", "events"), create_on_update=True,
            selectable=("regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid", "reason", "type",
                        "reportingController", "regarding.apiVersion", "regarding.resourceVersion",
                        "regarding.fieldPath"),
        ),
        Resource(
            group="authorization.k8s.io", plural="selfsubjectaccessreviews", kind="SelfSubjectAccessReview",
            schema="V1SelfSubjectAccessReview", namespaced=False, verbs=("create",),
        ),
        Resource(
            group="coordination.k8s.io", plural="leases", kind="Lease", schema="V1Lease", create_on_update=True,
            unconditional_update=False,
        ),
        Resource(
            group="discovery.k8s.io", plural="endpointslices", kind="EndpointSlice", schema="V1EndpointSlice",
            generation=True,
        ),
    )  # fmt: skip


def _custom(group: str, plural: str, kind: str, *, status: bool = False) -> Resource:
    return Resource(
        group=group, plural=plural, kind=kind, schema=kind, namespaced=False, custom=True, generation=True,
        unconditional_update=False, subresources=(_status(kind),) if status else (),
    )  # fmt: skip


RESOURCES: tuple[Resource, ...] = (
    *_core(),
    *_workloads(),
    *_other_built_in(),
    _custom("crd.projectcalico.org", "blockaffinities", "BlockAffinity"),
    _custom("crd.projectcalico.org", "felixconfigurations", "FelixConfiguration"),
    _custom("crd.projectcalico.org", "ippools", "IPPool"),
    _custom("operator.tigera.io", "installations", "Installation", status=True),
    _custom("operator.tigera.io", "tigerastatuses", "TigeraStatus", status=True),
)

GROUPS = (
    "apps", "events.k8s.io", "authorization.k8s.io", "coordination.k8s.io", "discovery.k8s.io",
    "crd.projectcalico.org", "operator.tigera.io",
)  # fmt: skip
"""The groups in the order of the recorded list."""


@functools.cache
def find(group: str, version: str, plural: str) -> Resource | None:
    """The resource of that path, or None."""
    return next(
        (item for item in RESOURCES if (item.group, item.version, item.plural) == (group, version, plural)), None
    )


def of_group(group: str, version: str = "v1") -> tuple[Resource, ...]:
    """The resources of a group, in the order of their plural names."""
    rows = [item for item in RESOURCES if (item.group, item.version) == (group, version)]
    return tuple(sorted(rows, key=lambda item: item.plural))
