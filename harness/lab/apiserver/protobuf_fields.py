"""The messages that ``protobuf`` reads: field numbers, JSON names and types. Pure data.

The numbers are those of Kubernetes' published ``generated.proto`` files (core/v1, apps/v1, authorization/v1,
meta/v1). A type is one of ``string``, ``int``, ``bool``, ``bytes`` or a message; ``*`` before it marks a pointer, whose
zero means something, ``[]`` a list and ``{}`` a map with string keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Shape = Literal["value", "pointer", "list", "map"]


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a message.

    Attributes:
        name: Its name in JSON.
        type: The type of its value, or of the list's or map's values.
        shape: Whether there is one, perhaps none, or many.
    """

    name: str
    type: str
    shape: Shape


_SHAPES: Mapping[str, Shape] = {"*": "pointer", "[]": "list", "{}": "map"}


def _fields(text: str) -> dict[int, Field]:
    """Fields from lines such as ``1 name string``."""
    return {int(number): _field(name, kind) for number, name, kind in map(str.split, text.strip().splitlines())}


def _field(name: str, kind: str) -> Field:
    for mark, shape in _SHAPES.items():
        if kind.startswith(mark):
            return Field(name=name, type=kind.removeprefix(mark), shape=shape)
    return Field(name=name, type=kind, shape="value")


MESSAGES: Mapping[str, Mapping[int, Field]] = {
    "Unknown": _fields(
        """
        1 typeMeta TypeMeta
        2 raw bytes
        """
    ),
    "TypeMeta": _fields(
        """
        1 apiVersion string
        2 kind string
        """
    ),
    "Time": _fields(
        """
        1 seconds *int
        2 nanos int
        """
    ),
    "IntOrString": _fields(
        """
        1 type int
        2 intVal int
        3 strVal string
        """
    ),
    "Quantity": _fields("1 string string"),
    "ObjectMeta": _fields(
        """
        1 name string
        2 generateName string
        3 namespace string
        5 uid string
        6 resourceVersion string
        7 generation int
        8 creationTimestamp *Time
        11 labels {}string
        12 annotations {}string
        14 finalizers []string
        """
    ),
    "Namespace": _fields(
        """
        1 metadata ObjectMeta
        2 spec NamespaceSpec
        3 status NamespaceStatus
        """
    ),
    "NamespaceSpec": _fields("1 finalizers []string"),
    "NamespaceStatus": _fields("1 phase string"),
    "ConfigMap": _fields(
        """
        1 metadata ObjectMeta
        2 data {}string
        3 binaryData {}bytes
        4 immutable *bool
        """
    ),
    "Secret": _fields(
        """
        1 metadata ObjectMeta
        2 data {}bytes
        3 type string
        4 stringData {}string
        5 immutable *bool
        """
    ),
    "ServiceAccount": _fields(
        """
        1 metadata ObjectMeta
        2 secrets []ObjectReference
        3 imagePullSecrets []LocalObjectReference
        4 automountServiceAccountToken *bool
        """
    ),
    "ObjectReference": _fields(
        """
        1 kind string
        2 namespace string
        3 name string
        4 uid string
        5 apiVersion string
        """
    ),
    "LocalObjectReference": _fields("1 name string"),
    "Service": _fields(
        """
        1 metadata ObjectMeta
        2 spec ServiceSpec
        3 status ServiceStatus
        """
    ),
    "ServiceStatus": _fields("1 loadBalancer LoadBalancerStatus"),
    "LoadBalancerStatus": {},
    "ServiceSpec": _fields(
        """
        1 ports []ServicePort
        2 selector {}string
        3 clusterIP string
        4 type string
        5 externalIPs []string
        7 sessionAffinity string
        8 loadBalancerIP string
        9 loadBalancerSourceRanges []string
        10 externalName string
        11 externalTrafficPolicy string
        12 healthCheckNodePort int
        13 publishNotReadyAddresses bool
        17 ipFamilyPolicy *string
        18 clusterIPs []string
        19 ipFamilies []string
        20 allocateLoadBalancerNodePorts *bool
        21 loadBalancerClass *string
        22 internalTrafficPolicy *string
        23 trafficDistribution *string
        """
    ),
    "ServicePort": _fields(
        """
        1 name string
        2 protocol string
        3 port int
        4 targetPort IntOrString
        5 nodePort int
        6 appProtocol *string
        """
    ),
    "Deployment": _fields(
        """
        1 metadata ObjectMeta
        2 spec DeploymentSpec
        3 status DeploymentStatus
        """
    ),
    "DeploymentStatus": {},
    "DeploymentSpec": _fields(
        """
        1 replicas *int
        2 selector *LabelSelector
        3 template PodTemplateSpec
        4 strategy DeploymentStrategy
        5 minReadySeconds int
        6 revisionHistoryLimit *int
        7 paused bool
        9 progressDeadlineSeconds *int
        """
    ),
    "DeploymentStrategy": _fields(
        """
        1 type string
        2 rollingUpdate *RollingUpdateDeployment
        """
    ),
    "RollingUpdateDeployment": _fields(
        """
        1 maxUnavailable *IntOrString
        2 maxSurge *IntOrString
        """
    ),
    "LabelSelector": _fields(
        """
        1 matchLabels {}string
        2 matchExpressions []LabelSelectorRequirement
        """
    ),
    "LabelSelectorRequirement": _fields(
        """
        1 key string
        2 operator string
        3 values []string
        """
    ),
    "PodTemplateSpec": _fields(
        """
        1 metadata ObjectMeta
        2 spec PodSpec
        """
    ),
    "PodSpec": _fields(
        """
        2 containers []Container
        3 restartPolicy string
        4 terminationGracePeriodSeconds *int
        6 dnsPolicy string
        7 nodeSelector {}string
        8 serviceAccountName string
        9 serviceAccount string
        10 nodeName string
        11 hostNetwork bool
        15 imagePullSecrets []LocalObjectReference
        16 hostname string
        17 subdomain string
        19 schedulerName string
        20 initContainers []Container
        """
    ),
    "Container": _fields(
        """
        1 name string
        2 image string
        3 command []string
        4 args []string
        5 workingDir string
        6 ports []ContainerPort
        7 env []EnvVar
        8 resources ResourceRequirements
        13 terminationMessagePath string
        14 imagePullPolicy string
        16 stdin bool
        17 stdinOnce bool
        18 tty bool
        20 terminationMessagePolicy string
        """
    ),
    "ContainerPort": _fields(
        """
        1 name string
        2 hostPort int
        3 containerPort int
        4 protocol string
        5 hostIP string
        """
    ),
    "EnvVar": _fields(
        """
        1 name string
        2 value string
        """
    ),
    "ResourceRequirements": _fields(
        """
        1 limits {}Quantity
        2 requests {}Quantity
        """
    ),
    "DeleteOptions": _fields(
        """
        1 gracePeriodSeconds *int
        2 preconditions *Preconditions
        3 orphanDependents *bool
        4 propagationPolicy *string
        5 dryRun []string
        """
    ),
    "Preconditions": _fields(
        """
        1 uid *string
        2 resourceVersion *string
        """
    ),
    "SelfSubjectAccessReview": _fields(
        """
        1 metadata ObjectMeta
        2 spec SelfSubjectAccessReviewSpec
        3 status SubjectAccessReviewStatus
        """
    ),
    "SelfSubjectAccessReviewSpec": _fields(
        """
        1 resourceAttributes *ResourceAttributes
        2 nonResourceAttributes *NonResourceAttributes
        """
    ),
    "ResourceAttributes": _fields(
        """
        1 namespace string
        2 verb string
        3 group string
        4 version string
        5 resource string
        6 subresource string
        7 name string
        """
    ),
    "NonResourceAttributes": _fields(
        """
        1 path string
        2 verb string
        """
    ),
    "SubjectAccessReviewStatus": _fields("1 allowed bool"),
}

KINDS = (
    "ConfigMap",
    "DeleteOptions",
    "Deployment",
    "Namespace",
    "Secret",
    "SelfSubjectAccessReview",
    "Service",
    "ServiceAccount",
)
"""The messages that a request may be."""
