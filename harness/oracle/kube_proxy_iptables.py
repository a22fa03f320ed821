"""What kube-proxy in iptables mode shows behind a NodePort, with Calico's VXLAN overlay.

Under policy Cluster kube-proxy marks every packet from outside for masquerading (``KUBE-EXT-*`` jumps to
``KUBE-MARK-MASQ``), and the kernel's MASQUERADE takes the primary address of the device that the packet leaves by:
the overlay's device towards another node, and the node's own address where the pod's veth has none. A host-network
backend on the entry node is reached without passing POSTROUTING, so nothing is masqueraded. Under policy Local
packets from outside are not marked, and a node without a backend drops them in the filter table.

Sources: kube-proxy's ``pkg/proxy/iptables/proxier.go``, the kernel's ``nf_nat_masquerade``, and the recorded
matrix of a real cluster, finding 1 and 4, address by address.
"""

from __future__ import annotations

from harness.model import cells, words
from harness.oracle import rules

_CLUSTER = frozenset({words.Policy.CLUSTER})
_LOCAL = frozenset({words.Policy.LOCAL})

BOOK = rules.Book(
    clients=frozenset({words.ClientKind.EXTERNAL}),
    protocols=frozenset({words.Protocol.HTTP, words.Protocol.TCP}),
    overlays=frozenset({"VXLAN"}),
    rules=(
        rules.Rule(
            policies=_CLUSTER,
            local=False,
            host_network=False,
            sees=words.AddressClass.ENTRY_TUNNEL,
            because="masqueraded on the way into the overlay",
        ),
        rules.Rule(
            policies=_CLUSTER,
            local=True,
            host_network=False,
            sees=words.AddressClass.ENTRY_NODE,
            because="masqueraded on the way to a local pod, whose veth has no address",
        ),
        rules.Rule(
            policies=_CLUSTER,
            local=False,
            host_network=True,
            sees=words.AddressClass.ENTRY_NODE,
            because="masqueraded on the way to another node's own address",
        ),
        rules.Rule(
            policies=_CLUSTER | _LOCAL,
            local=True,
            host_network=True,
            sees=words.AddressClass.CLIENT,
            because="delivered to the node itself without passing POSTROUTING",
        ),
        rules.Rule(
            policies=_LOCAL,
            local=True,
            host_network=False,
            sees=words.AddressClass.CLIENT,
            because="policy Local does not mark packets from outside",
        ),
    ),
    no_local_backend=cells.NoAnswer(
        how=frozenset({words.Silence.TIMEOUT}), because="dropped: policy Local and no backend on this node"
    ),
)
