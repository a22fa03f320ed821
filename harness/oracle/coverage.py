"""Which shapes of cells the recordings have, so that a prediction never claims more than they show. Pure.

The recorded cluster has pods, host-network pods, an external and a gateway client, Services ``customer`` (HTTP) and
``echo`` (TCP, UDP) under both external policies, ``echohost`` with a host-network backend under policy Cluster, and
ClusterIP and pod address of the first two. It has no internalTrafficPolicy Local. The contract test of the oracle
holds these functions against the recordings, cell by cell, so that neither can drift.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.model import words

if TYPE_CHECKING:
    from harness.oracle import rules

_BY_POD_ADDRESS = frozenset({words.Protocol.HTTP, words.Protocol.TCP})
_OUTSIDE = frozenset({words.ClientKind.EXTERNAL, words.ClientKind.GATEWAY})


def kube_proxy(there: rules.Situation) -> bool:
    """Whether ``matrix/iptables.json`` and ``matrix/nftables.json`` have such a cell."""
    if there.overlay != "VXLAN":
        return False
    if there.target is words.Target.NODE_PORT:
        return not there.host_network or _host_backend(there)
    if there.host_network or there.policy is words.Policy.LOCAL:
        return False
    return there.target is words.Target.CLUSTER_IP or there.protocol in _BY_POD_ADDRESS


def calico_bpf(there: rules.Situation) -> bool:
    """Whether ``matrix/ebpf*.json`` have such a cell."""
    return kube_proxy(there) and (there.host_nat or there.client in _OUTSIDE)


def _host_backend(there: rules.Situation) -> bool:
    return there.policy is words.Policy.CLUSTER and there.protocol is not words.Protocol.HTTP
