"""A Pod, parsed once from its API object into frozen types. Pure.

Field meanings and defaults are those of the Kubernetes API reference for ``v1.Pod``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

Object = Mapping[str, Any]
RestartPolicy = Literal["Always", "OnFailure", "Never"]
DEFAULT_GRACE_S = 30


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A probe of a container.

    Attributes:
        http_path: The path of an ``httpGet``; None for another kind.
        host: The host that an ``httpGet`` or ``tcpSocket`` names; empty for the pod's own address.
        port: The port of an ``httpGet`` or ``tcpSocket``: a number, or the name of one of the container's ports.
        tls: Whether an ``httpGet`` has the scheme HTTPS; its certificate is not checked.
        headers: Headers of an ``httpGet``.
        command: The command of an ``exec``; empty for another kind.
        initial_delay_s: Seconds before the first.
        period_s: Seconds between two.
        timeout_s: Seconds that one may take.
        success_threshold: Successes in a row that make it hold.
        failure_threshold: Failures in a row that make it not hold.
    """

    http_path: str | None
    host: str
    port: int | str
    tls: bool
    headers: tuple[tuple[str, str], ...]
    command: tuple[str, ...]
    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One environment variable: a value, or the place that it comes from.

    Attributes:
        name: Its name.
        value: Its value; ``$(OTHER)`` in it stands for an earlier variable.
        field: A path of the pod's own fields, such as ``spec.nodeName``.
        config_map: The ConfigMap and key that it comes from.
        secret: The Secret and key that it comes from.
        optional: Whether it is left out, instead of an error, where that key does not exist.
    """

    name: str
    value: str = ""
    field: str = ""
    config_map: tuple[str, str] | None = None
    secret: tuple[str, str] | None = None
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container as the Pod asks for it; attributes are the fields of ``v1.Container``."""

    name: str
    image: str
    pull_policy: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: tuple[Variable, ...]
    config_maps: tuple[str, ...]
    working_folder: str
    ports: tuple[tuple[str, int], ...]
    readiness: Probe | None
    pre_stop: tuple[str, ...]
    tty: bool
    stdin: bool


@dataclass(frozen=True, kw_only=True)
class Pod:
    """What the kubelet needs to know of a Pod.

    Attributes:
        namespace: Its namespace.
        name: Its name.
        uid: Its UID.
        host_network: Whether it has the node's network.
        hostname: Its host name.
        restart_policy: When an ended container is started again.
        grace_s: Seconds from SIGTERM to SIGKILL when it is deleted.
        init: Its init containers, in order.
        containers: Its containers.
        host_aliases: Lines for its hosts file: an address and names.
        raw: The object, for fields that a ``fieldRef`` names.
    """

    namespace: str
    name: str
    uid: str
    host_network: bool
    hostname: str
    restart_policy: RestartPolicy
    grace_s: int
    init: tuple[Container, ...]
    containers: tuple[Container, ...]
    host_aliases: tuple[tuple[str, tuple[str, ...]], ...]
    raw: Object

    @property
    def key(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def short_uid(self) -> str:
        """The first eight characters of the UID, which name what belongs to the pod."""
        return self.uid[:8]


def pod_of(item: Object) -> Pod:
    """Parse a Pod; KeyError if the API server let through one without a required field."""
    meta, spec = item["metadata"], item["spec"]
    policy = spec.get("restartPolicy", "Always")
    grace = spec.get("terminationGracePeriodSeconds")
    return Pod(
        namespace=meta["namespace"],
        name=meta["name"],
        uid=meta["uid"],
        host_network=bool(spec.get("hostNetwork")),
        hostname=(spec.get("hostname") or meta["name"])[:63].rstrip("-."),
        restart_policy=policy if policy in get_args(RestartPolicy) else "Always",
        grace_s=DEFAULT_GRACE_S if grace is None else int(grace),
        init=tuple(_container(each) for each in spec.get("initContainers") or ()),
        containers=tuple(_container(each) for each in spec["containers"]),
        host_aliases=tuple((each["ip"], tuple(each.get("hostnames") or ())) for each in spec.get("hostAliases") or ()),
        raw=item,
    )


def _container(item: Object) -> Container:
    probe = item.get("readinessProbe")
    stop: Object = ((item.get("lifecycle") or {}).get("preStop") or {}).get("exec") or {}
    sources = item.get("envFrom") or ()
    return Container(
        name=item["name"],
        image=item.get("image", ""),
        pull_policy=item.get("imagePullPolicy", "IfNotPresent"),
        command=tuple(item.get("command") or ()),
        arguments=tuple(item.get("args") or ()),
        environment=tuple(_variable(each) for each in item.get("env") or ()),
        config_maps=tuple(each["configMapRef"]["name"] for each in sources if each.get("configMapRef")),
        working_folder=item.get("workingDir") or "/",
        ports=tuple((each.get("name", ""), int(each["containerPort"])) for each in item.get("ports") or ()),
        readiness=None if probe is None else _probe(probe),
        pre_stop=tuple(stop.get("command") or ()),
        tty=bool(item.get("tty")),
        stdin=bool(item.get("stdin")),
    )


def _variable(item: Object) -> Variable:
    source: Object = item.get("valueFrom") or {}
    field: Object = source.get("fieldRef") or {}
    keyed: Object = source.get("configMapKeyRef") or source.get("secretKeyRef") or {}
    reference = (keyed.get("name", ""), keyed["key"]) if keyed else None
    return Variable(
        name=item["name"],
        value=item.get("value") or "",
        field=field.get("fieldPath", ""),
        config_map=reference if source.get("configMapKeyRef") else None,
        secret=reference if source.get("secretKeyRef") else None,
        optional=bool(keyed.get("optional")),
    )


def _probe(item: Object) -> Probe:
    http: Object = item.get("httpGet") or {}
    target: Object = http or item.get("tcpSocket") or {}
    return Probe(
        http_path=(http.get("path") or "/") if http else None,
        host=target.get("host") or "",
        port=target.get("port", 0),
        tls=http.get("scheme") == "HTTPS",
        headers=tuple((each["name"], each.get("value", "")) for each in http.get("httpHeaders") or ()),
        command=tuple((item.get("exec") or {}).get("command") or ()),
        initial_delay_s=float(item.get("initialDelaySeconds") or 0),
        period_s=float(item.get("periodSeconds") or 10),
        timeout_s=float(item.get("timeoutSeconds") or 1),
        success_threshold=int(item.get("successThreshold") or 1),
        failure_threshold=int(item.get("failureThreshold") or 3),
    )
