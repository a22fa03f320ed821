"""The collections that the controllers watch, and how one object's path follows from its collection's."""

from __future__ import annotations

NAMESPACES = "/api/v1/namespaces"
NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
SERVICES = "/api/v1/services"
CONFIGMAPS = "/api/v1/configmaps"
SERVICEACCOUNTS = "/api/v1/serviceaccounts"
SECRETS = "/api/v1/secrets"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICASETS = "/apis/apps/v1/replicasets"
DAEMONSETS = "/apis/apps/v1/daemonsets"
ENDPOINTSLICES = "/apis/discovery.k8s.io/v1/endpointslices"
INSTALLATIONS = "/apis/operator.tigera.io/v1/installations"
TIGERASTATUSES = "/apis/operator.tigera.io/v1/tigerastatuses"
FELIXCONFIGURATIONS = "/apis/crd.projectcalico.org/v1/felixconfigurations"
IPPOOLS = "/apis/crd.projectcalico.org/v1/ippools"
BLOCKAFFINITIES = "/apis/crd.projectcalico.org/v1/blockaffinities"

CORE = (
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    CONFIGMAPS,
    SERVICEACCOUNTS,
    SECRETS,
    DEPLOYMENTS,
    REPLICASETS,
    DAEMONSETS,
    ENDPOINTSLICES,
)
CALICO = (INSTALLATIONS, TIGERASTATUSES, FELIXCONFIGURATIONS, IPPOOLS, BLOCKAFFINITIES)
WATCHED = CORE + CALICO
"""Every collection that the controllers keep a copy of."""

NAMESPACED = tuple(path for path in CORE if path not in (NAMESPACES, NODES))
"""Those whose objects live in a namespace, in the order in which a namespace is emptied."""

UNWATCHED = (
    "/api/v1/endpoints",
    "/api/v1/events",
    "/apis/apps/v1/controllerrevisions",
    "/apis/coordination.k8s.io/v1/leases",
)
"""What else lives in namespaces; no controller reads it, but it goes with its namespace."""


def collection(path: str, namespace: str = "") -> str:
    """The path of that collection in one namespace."""
    if not namespace:
        return path
    head, _, plural = path.rpartition("/")
    return f"{head}/namespaces/{namespace}/{plural}"


def single(path: str, name: str, namespace: str = "", subresource: str = "") -> str:
    """The path of one object of that collection, or of one of its subresources."""
    tail = f"/{subresource}" if subresource else ""
    return f"{collection(path, namespace)}/{name}{tail}"
