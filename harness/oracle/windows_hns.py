"""What kube-proxy on Windows (winkernel, on HNS) shows. Nothing here has been measured.

A NodePort's load balancer keeps the client only under policy Local, where it is a DSR one; under policy Cluster its
source becomes the SourceVIP: an address of the node's own pod subnet on an overlay network (in the model, the node's
tunnel address), the node's on l2bridge (in the model, overlay ``None``). ``--enable-dsr`` (in the model, ``dsr``) is
asked for a ClusterIP only.

Sources: kube-proxy's winkernel/proxier.go (Kubernetes v1.36.1), read and not run, Microsoft's documentation, and
issues where they are named. What is not in the rows is not known: Windows host processes as clients, a pod that
dials its own node's NodePort, and host-network backends, which Windows pods cannot be.
"""

from __future__ import annotations

from harness.model import words
from harness.oracle import rules
from harness.oracle.kube_proxy_iptables import CLUSTER, CLUSTER_IP, LOCAL, NODE_PORT, POD, POD_ADDRESS
from harness.oracle.rules import OUTSIDE, Owner, Rule

_D = words.Confirmed.DOCUMENTED
_U = words.Confirmed.UNCONFIRMED
_FLAT = frozenset({"None"})
_OVERLAY = frozenset({"VXLAN"})
_NONE = frozenset({words.Silence.TIMEOUT, words.Silence.REFUSED})
_SOURCE_VIP = "kube-proxy winkernel/proxier.go (SourceVIP)"

RULES = (
    Rule(
        name="internal-local-elsewhere",
        targets=CLUSTER_IP,
        policies=LOCAL,
        local=False,
        host_network=False,
        silence=_NONE,
        steps_aside=True,
        because="internalTrafficPolicy Local and no backend on the client's node",
        cited="inferred from kube-proxy winkernel/proxier.go (no endpoints: no load balancer)",
        confirmed=_U,
    ),
    Rule(
        name="pod-address",
        targets=POD_ADDRESS,
        clients=POD,
        host_network=False,
        sees=(Owner.CLIENT,),
        because="no load balancer is on the way, and the pools are excepted from outbound NAT",
        cited="Calico winpol/windows_policy.go (OutBoundNAT exceptions); inferred",
        confirmed=_U,
    ),
    Rule(
        name="clusterip-itself-direct-return",
        targets=CLUSTER_IP,
        itself=True,
        dsr=True,
        silence=frozenset({words.Silence.TIMEOUT}),
        because="a backend that reaches itself needs loopback DSR, which not every build has",
        cited="projectcalico/calico issue 5522; with loopback DSR the node's address is inferred",
        confirmed=_U,
    ),
    Rule(
        name="clusterip-direct-return",
        targets=CLUSTER_IP,
        clients=POD,
        host_network=False,
        dsr=True,
        sees=(Owner.CLIENT,),
        because="the load balancer is a DSR one",
        cited="Kubernetes documentation, Networking on Windows (DSR)",
        confirmed=_D,
    ),
    Rule(
        name="clusterip-itself",
        targets=CLUSTER_IP,
        itself=True,
        dsr=False,
        sees=(Owner.CLIENT_EGRESS,),
        because="the load balancer translates the source",
        cited=f"inferred from {_SOURCE_VIP}",
        confirmed=_U,
    ),
    Rule(
        name="clusterip-overlay",
        targets=CLUSTER_IP,
        clients=POD,
        host_network=False,
        overlays=_OVERLAY,
        sees=(Owner.CLIENT_EGRESS,),
        because="the load balancer translates the source to the client's node's SourceVIP",
        cited=_SOURCE_VIP,
        confirmed=_D,
    ),
    Rule(
        name="clusterip-l2bridge",
        targets=CLUSTER_IP,
        clients=POD,
        host_network=False,
        overlays=_FLAT,
        sees=(Owner.CLIENT_NODE,),
        because="the load balancer translates the source to the client's node; newer builds may show the Service's",
        cited="kubernetes issue 83072, calico issue 3931; kubernetes/community issue 8890",
        confirmed=_U,
    ),
    Rule(
        name="local-elsewhere",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        local=False,
        host_network=False,
        silence=_NONE,
        steps_aside=True,
        because="policy Local and no backend on this node: no load balancer is made",
        cited="kube-proxy winkernel/proxier.go (no local endpoints); the kind of silence is not established",
        confirmed=_U,
    ),
    Rule(
        name="local-outside",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        host_network=False,
        sees=(Owner.CLIENT,),
        because="the load balancer of policy Local is a DSR one",
        cited="kube-proxy winkernel/proxier.go; Microsoft's documentation, client IP preservation",
        confirmed=_D,
    ),
    Rule(
        name="cluster-outside",
        targets=NODE_PORT,
        policies=CLUSTER,
        clients=OUTSIDE,
        host_network=False,
        sees=(Owner.ENTRY_EGRESS,),
        because="the load balancer translates the source to the entry node's SourceVIP",
        cited=f"{_SOURCE_VIP}; whether HNS does so for a local backend is not established",
        confirmed=_U,
    ),
    Rule(
        name="local-pod-through-another",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=POD,
        at_entry=False,
        local=True,
        host_network=False,
        sees=(Owner.CLIENT, Owner.CLIENT_NODE),
        because="the client's node may translate what its pods send to another node (outbound NAT)",
        cited="Calico winpol/windows_policy.go (OutBoundNAT); inferred",
        confirmed=_U,
    ),
)

BOOK = rules.Book(rules=RULES)
