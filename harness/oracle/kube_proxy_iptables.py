"""What kube-proxy in iptables mode shows, with Calico's pod network around it.

Three causes change an address. kube-proxy marks what comes to a NodePort under policy Cluster (``KUBE-EXT-*`` jumps
to ``KUBE-MARK-MASQ``) and what a backend sends to itself, and the kernel's MASQUERADE then takes the primary address
of the device that the packet leaves by: the overlay's towards another node's pods, and the node's own where a pod's
veth has none. The client's own node masquerades what a pod sends to an address outside the pool (``natOutgoing``),
another node's address included. And a host process's source is the address of the device that its route names.
A backend on the node itself is reached without POSTROUTING, so nothing is masqueraded on the way to it.

Every row is recorded address by address in ``matrix/iptables.json`` and ``matrix/reverted.json`` unless it says
otherwise; numbers of findings are those of the recordings' README.
"""

from __future__ import annotations

from harness.model import words
from harness.oracle import coverage, rules
from harness.oracle.rules import OUTSIDE, Owner, Rule

POD = frozenset({words.ClientKind.POD})
HOST = frozenset({words.ClientKind.HOST})
NODE_PORT = frozenset({words.Target.NODE_PORT})
DIRECT = frozenset({words.Target.CLUSTER_IP, words.Target.POD_ADDRESS})
CLUSTER_IP = frozenset({words.Target.CLUSTER_IP})
POD_ADDRESS = frozenset({words.Target.POD_ADDRESS})
CLUSTER = frozenset({words.Policy.CLUSTER})
LOCAL = frozenset({words.Policy.LOCAL})
TIMEOUT = frozenset({words.Silence.TIMEOUT})
DROPPED = frozenset({words.Silence.DROPPED})

_MASQUERADE = "kube-proxy iptables/proxier.go (KUBE-EXT to KUBE-MARK-MASQ), kernel nf_nat_masquerade.c; finding 1"
_DELIVERY = "kernel: local delivery does not pass POSTROUTING; finding 1"
_OUTGOING = "Calico natOutgoing (felix/rules/nat.go); finding 3"
_POLICY = "kube-proxy iptables/proxier.go (externalTrafficPolicy Local); finding 4"
_ROUTE = "kernel source address selection; recorded truth table, rows podip and clusterip"

RULES = (
    Rule(
        name="internal-local-elsewhere-own-datagram",
        targets=CLUSTER_IP,
        policies=LOCAL,
        clients=HOST,
        protocols=frozenset({words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED}),
        local=False,
        silence=DROPPED,
        steps_aside=True,
        because="dropped in the node's own OUTPUT chain, which the sender of a datagram hears of as EPERM",
        cited="kube-proxy iptables/proxier.go (internalTrafficPolicy Local without local endpoints: DROP); "
        "kernel netfilter/core.c (NF_DROP is -EPERM to the caller), ipv4/udp.c",
        confirmed=words.Confirmed.DOCUMENTED,
    ),
    Rule(
        name="internal-local-elsewhere",
        targets=CLUSTER_IP,
        policies=LOCAL,
        local=False,
        silence=TIMEOUT,
        steps_aside=True,
        because="dropped: internalTrafficPolicy Local and no backend on the client's node",
        cited="kube-proxy iptables/proxier.go (internalTrafficPolicy Local without local endpoints: DROP)",
        confirmed=words.Confirmed.DOCUMENTED,
    ),
    Rule(
        name="direct-itself",
        targets=POD_ADDRESS,
        itself=True,
        sees=(Owner.CLIENT,),
        because="never leaves the pod",
        cited="recorded truth table, row backend pod itself -> podip",
    ),
    Rule(
        name="clusterip-itself",
        targets=CLUSTER_IP,
        itself=True,
        sees=(Owner.CLIENT_NODE,),
        because="masqueraded: a backend that reaches itself through its Service",
        cited="kube-proxy iptables/proxier.go (KUBE-SEP -s PODIP -j KUBE-MARK-MASQ); recorded truth table",
    ),
    Rule(
        name="direct-pod-to-pod",
        targets=DIRECT,
        clients=POD,
        host_network=False,
        sees=(Owner.CLIENT,),
        because="pod to pod, only the destination is translated",
        cited="kube-proxy iptables/proxier.go (the local detector's sources are not marked); recorded truth table",
    ),
    Rule(
        name="direct-pod-to-own-host",
        targets=DIRECT,
        clients=POD,
        host_network=True,
        beside=True,
        sees=(Owner.CLIENT,),
        because="delivered to the client's own node without passing POSTROUTING",
        cited=_DELIVERY,
    ),
    Rule(
        name="direct-pod-to-other-host",
        targets=DIRECT,
        clients=POD,
        host_network=True,
        beside=False,
        sees=(Owner.CLIENT_NODE,),
        because="masqueraded by the client's node: another node is outside the pool",
        cited=_OUTGOING,
    ),
    Rule(
        name="direct-host-to-remote-pod",
        targets=DIRECT,
        clients=HOST,
        host_network=False,
        beside=False,
        sees=(Owner.CLIENT_EGRESS,),
        because="the node's own packets leave by the overlay with its device's address",
        cited=_ROUTE,
    ),
    Rule(
        name="direct-host",
        targets=DIRECT,
        clients=HOST,
        sees=(Owner.CLIENT_NODE,),
        because="the node's own packets show its own address",
        cited=_ROUTE,
    ),
    Rule(
        name="local-outside-elsewhere",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        local=False,
        silence=TIMEOUT,
        steps_aside=True,
        because="dropped: policy Local and no backend on this node",
        cited=_POLICY,
    ),
    Rule(
        name="local-inside-elsewhere",
        targets=NODE_PORT,
        policies=LOCAL,
        at_entry=False,
        local=False,
        silence=TIMEOUT,
        steps_aside=True,
        because="dropped: policy Local, masqueraded by the client's node first, and no backend on this node",
        cited=f"{_POLICY} and 3",
    ),
    Rule(
        name="local-outside",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        sees=(Owner.CLIENT,),
        because="policy Local does not mark packets from outside",
        cited=_POLICY,
    ),
    Rule(
        name="local-itself",
        targets=NODE_PORT,
        policies=LOCAL,
        at_entry=True,
        itself=True,
        sees=(Owner.ENTRY_NODE,),
        because="masqueraded: a backend that reaches itself through its Service",
        cited="kube-proxy iptables/proxier.go (KUBE-SEP -s PODIP -j KUBE-MARK-MASQ); recorded truth table",
    ),
    Rule(
        name="local-pod-at-entry-to-other-host",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=POD,
        at_entry=True,
        local=False,
        host_network=True,
        sees=(Owner.CLIENT_NODE,),
        because="not marked by kube-proxy, masqueraded by natOutgoing: another node is outside the pool",
        cited=_OUTGOING,
    ),
    Rule(
        name="local-pod-at-entry",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=POD,
        at_entry=True,
        sees=(Owner.CLIENT,),
        because="policy Local treats this node's pods as the cluster's own and does not mark them",
        cited="kube-proxy iptables/proxier.go (KUBE-EXT, pod traffic for local policy); recorded truth table",
    ),
    Rule(
        name="local-inside",
        targets=NODE_PORT,
        policies=LOCAL,
        at_entry=False,
        sees=(Owner.CLIENT_NODE,),
        because="the client's node shows its own address towards another node, and policy Local keeps it",
        cited=_OUTGOING,
    ),
    Rule(
        name="host-backend-here-outside",
        targets=NODE_PORT,
        clients=OUTSIDE,
        local=True,
        host_network=True,
        sees=(Owner.CLIENT,),
        because="delivered to the node itself without passing POSTROUTING",
        cited=_DELIVERY,
    ),
    Rule(
        name="host-backend-here-pod-beside",
        targets=NODE_PORT,
        clients=POD,
        local=True,
        host_network=True,
        at_entry=True,
        sees=(Owner.CLIENT,),
        because="delivered to the node itself without passing POSTROUTING",
        cited=_DELIVERY,
    ),
    Rule(
        name="host-backend-here-inside",
        targets=NODE_PORT,
        local=True,
        host_network=True,
        sees=(Owner.CLIENT_NODE,),
        because="delivered to the node itself, from the client's node, which shows its own address",
        cited=f"{_DELIVERY} and 3",
    ),
    Rule(
        name="here",
        targets=NODE_PORT,
        local=True,
        sees=(Owner.ENTRY_NODE,),
        because="masqueraded on the way to a local pod, whose veth has no address",
        cited=_MASQUERADE,
    ),
    Rule(
        name="host-backend-elsewhere",
        targets=NODE_PORT,
        local=False,
        host_network=True,
        sees=(Owner.ENTRY_NODE,),
        because="masqueraded on the way to another node's own address",
        cited=_MASQUERADE,
    ),
    Rule(
        name="elsewhere",
        targets=NODE_PORT,
        local=False,
        sees=(Owner.ENTRY_EGRESS,),
        because="masqueraded on the way into the overlay",
        cited=_MASQUERADE,
    ),
)

BOOK = rules.Book(rules=RULES, recorded=coverage.kube_proxy)
