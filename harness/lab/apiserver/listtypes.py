"""Which lists merge, and by what: one table for strategic merge patches and for server-side apply. Pure data.

A real API server reads this from its types: ``patchStrategy`` and ``patchMergeKey`` for strategic merge,
``listType``, ``listMapKey``, ``mapType`` and ``structType`` for server-side apply; both are published in
Kubernetes' OpenAPI document as ``x-kubernetes-*`` extensions. What is not named here is what those types leave
unnamed too: maps merge key by key, lists are replaced whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Json = Any
ListType = Literal["atomic", "set", "map"]


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """What is known of one field.

    Attributes:
        fields: Its named fields, where it is a structure.
        item: The type of its elements, where it is a list, or of its values, where it is a map.
        list_type: How server-side apply owns it, if it is a list.
        keys: The fields that tell its elements apart for server-side apply.
        defaults: Values of those fields that an element may leave out.
        merge_key: The field that tells its elements apart for strategic merge.
        merges: Whether strategic merge merges the list at all; without a key it is a set of scalars.
        atomic: Whether server-side apply owns it whole though it is a map or a structure.
        free_keys: Whether it is a map with keys of the user's choice.
        always: Whether Kubernetes writes the field even into an empty object, so that nobody comes to own it
            by creating the object.
    """

    fields: Mapping[str, FieldType] = field(default_factory=dict)
    item: FieldType | None = None
    list_type: ListType = "atomic"
    keys: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    merge_key: str = ""
    merges: bool = False
    atomic: bool = False
    free_keys: bool = False
    always: bool = False

    def child(self, name: str) -> FieldType:
        """The type of a field or of a map's value; what the table does not name is ``PLAIN``."""
        return self.fields.get(name) or self.item or PLAIN

    @property
    def element(self) -> FieldType:
        """The type of a list's elements."""
        return self.item or PLAIN

    def key_of(self, element: Json) -> tuple[Any, ...] | None:
        """The values that identify a list's element for server-side apply; None if it lacks them all."""
        if not isinstance(element, dict) or not any(key in element for key in self.keys):
            return None
        return tuple(element.get(key, self.defaults.get(key)) for key in self.keys)


PLAIN = FieldType()
_ATOMIC = FieldType(atomic=True)
_FREE = FieldType(free_keys=True)
_ATOMIC_MAP = FieldType(free_keys=True, atomic=True)
_MERGED_SET = FieldType(list_type="set", merges=True)


def _struct(**fields: FieldType) -> FieldType:
    return FieldType(fields=fields)


def _always(kind: FieldType) -> FieldType:
    return replace(kind, always=True)


def _by(*keys: str, item: FieldType = PLAIN, merge_key: str = "", **defaults: str) -> FieldType:
    """A list whose elements both merges know by the same key, or by that of ``merge_key``."""
    key = merge_key or keys[0]
    return FieldType(list_type="map", keys=keys, item=item, merge_key=key, merges=True, defaults=defaults)


_CONDITIONS = _by("type")
_META = _struct(
    labels=_FREE,
    annotations=_FREE,
    finalizers=_MERGED_SET,
    ownerReferences=_by("uid", item=_ATOMIC),
)
_CLAIMS = FieldType(list_type="map", keys=("name",))
_RESOURCES = _struct(limits=_FREE, requests=_FREE, claims=_CLAIMS)
_ENV = _struct(
    valueFrom=_struct(
        fieldRef=_ATOMIC, resourceFieldRef=_ATOMIC, configMapKeyRef=_ATOMIC, secretKeyRef=_ATOMIC, fileKeyRef=_ATOMIC
    )
)
_CONTAINER = _struct(
    ports=_by("containerPort", "protocol", protocol="TCP"),
    env=_by("name", item=_ENV),
    resources=_always(_RESOURCES),
    volumeMounts=_by("mountPath"),
    volumeDevices=_by("devicePath"),
)
_VOLUME = _struct(
    azureFile=PLAIN,
    csi=_struct(nodePublishSecretRef=_ATOMIC, volumeAttributes=_FREE),
    flexVolume=_struct(options=_FREE),
)
_POD_SPEC = _struct(
    containers=_always(_by("name", item=_CONTAINER)),
    initContainers=_by("name", item=_CONTAINER),
    ephemeralContainers=_by("name", item=_CONTAINER),
    volumes=_by("name", item=_VOLUME),
    imagePullSecrets=_by("name", item=_ATOMIC),
    hostAliases=_by("ip"),
    topologySpreadConstraints=_by(
        "topologyKey", "whenUnsatisfiable", item=_struct(labelSelector=_ATOMIC), merge_key="topologyKey"
    ),
    schedulingGates=_by("name"),
    resourceClaims=_by("name"),
    nodeSelector=_ATOMIC_MAP,
    overhead=_FREE,
    affinity=_struct(
        nodeAffinity=_struct(requiredDuringSchedulingIgnoredDuringExecution=_ATOMIC),
    ),
)
_POD_STATUS = _struct(
    conditions=_CONDITIONS,
    podIPs=_by("ip"),
    hostIPs=FieldType(merges=True, merge_key="ip"),
    resourceClaimStatuses=_by("name"),
)
_TEMPLATE = _struct(metadata=_always(_META), spec=_always(_POD_SPEC))
_WORKLOAD_STATUS = _struct(conditions=_CONDITIONS)


def _kind(spec: FieldType = PLAIN, status: FieldType = PLAIN, **more: FieldType) -> FieldType:
    return _struct(metadata=_always(_META), spec=_always(spec), status=_always(status), **more)


_SERVICE_SPEC = _struct(
    ports=_by("port", "protocol", protocol="TCP"),
    selector=_ATOMIC_MAP,
)
_NODE_STATUS = _struct(
    addresses=_by("type"),
    conditions=_CONDITIONS,
    capacity=_FREE,
    allocatable=_FREE,
    daemonEndpoints=_always(_struct(kubeletEndpoint=_always(PLAIN))),
    nodeInfo=_always(PLAIN),
)
_CUSTOM = _struct(metadata=_META)
_KINDS: Mapping[str, FieldType] = {
    "Pod": _kind(_POD_SPEC, _POD_STATUS),
    "PodTemplate": _struct(metadata=_always(_META), template=_always(_TEMPLATE)),
    "Deployment": _kind(
        _struct(selector=_ATOMIC, template=_always(_TEMPLATE), strategy=_always(PLAIN)), _WORKLOAD_STATUS
    ),
    "ReplicaSet": _kind(_struct(selector=_ATOMIC, template=_always(_TEMPLATE)), _WORKLOAD_STATUS),
    "DaemonSet": _kind(
        _struct(selector=_ATOMIC, template=_always(_TEMPLATE), updateStrategy=_always(PLAIN)), _WORKLOAD_STATUS
    ),
    "Service": _kind(_SERVICE_SPEC, _struct(conditions=_CONDITIONS, loadBalancer=_always(PLAIN))),
    "Node": _kind(_struct(podCIDRs=_MERGED_SET, configSource=PLAIN), _NODE_STATUS),
    "Namespace": _kind(status=_struct(conditions=_CONDITIONS)),
    "ConfigMap": _struct(metadata=_always(_META), data=_FREE, binaryData=_FREE),
    "Secret": _struct(metadata=_always(_META), data=_FREE, stringData=_FREE),
    "ServiceAccount": _struct(metadata=_always(_META), secrets=_by("name", item=_ATOMIC)),
    "EndpointSlice": _struct(metadata=_always(_META), endpoints=_always(PLAIN), ports=_always(PLAIN)),
    "Event": _struct(metadata=_always(_META), involvedObject=_always(_ATOMIC), source=_always(PLAIN)),
}


def of_kind(kind: str) -> FieldType:
    """The type of a kind; a kind that the table does not know is a custom resource without list types."""
    return _KINDS.get(kind, _CUSTOM)
