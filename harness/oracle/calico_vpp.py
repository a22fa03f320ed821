"""What Calico's VPP dataplane shows. Nothing here has been measured.

VPP's ``cnat`` plugin translates the destination by an entry for the node's address, and decides at output whether to
translate the source: never towards the node's own host stack; for what comes from a pod and goes outside the pools,
Services and nodes; for what neither comes from a pod nor goes to one; and where source and destination are one. The
source address is always the node's own: there is no address of an overlay. externalTrafficPolicy Local is not
honoured for NodePorts.

Sources: projectcalico/vpp-dataplane (service_handler.go, vpplink/cnat.go, felix_server.go, service_server.go) and
VPP's cnat_snat_policy.c, read and not run; e2e rows are Calico's workload_ingress.go.
"""

from __future__ import annotations

from harness.model import words
from harness.oracle import rules
from harness.oracle.kube_proxy_iptables import CLUSTER_IP, DIRECT, HOST, LOCAL, NODE_PORT, POD, POD_ADDRESS
from harness.oracle.rules import OUTSIDE, Owner, Rule

_D = words.Confirmed.DOCUMENTED
_U = words.Confirmed.UNCONFIRMED
_POLICY = "VPP cnat_snat_policy.c (policy k8s)"
_IGNORED = "vpp-dataplane service_handler.go (NodePort entries are never local only)"

RULES = (
    Rule(
        name="internal-local-elsewhere",
        targets=CLUSTER_IP,
        policies=LOCAL,
        local=False,
        silence=frozenset({words.Silence.TIMEOUT, words.Silence.REFUSED}),
        steps_aside=True,
        because="internalTrafficPolicy Local and no backend on the client's node",
        cited="vpp-dataplane vpplink/cnat.go (an entry without backends is not installed); silence not established",
        confirmed=_U,
    ),
    Rule(
        name="direct-itself",
        targets=POD_ADDRESS,
        itself=True,
        sees=(Owner.CLIENT,),
        because="never leaves the pod",
        cited="inferred",
        confirmed=_U,
    ),
    Rule(
        name="clusterip-itself",
        targets=CLUSTER_IP,
        itself=True,
        sees=(Owner.CLIENT_NODE,),
        because="source and destination are one, so the source becomes the node's",
        cited=_POLICY,
        confirmed=_D,
    ),
    Rule(
        name="direct-pod",
        targets=DIRECT,
        clients=POD,
        sees=(Owner.CLIENT,),
        because="from a pod to the pools, Services and nodes: the source stays",
        cited=f"{_POLICY}; e2e rows 1 and 3",
        confirmed=_D,
    ),
    Rule(
        name="direct-host",
        targets=DIRECT,
        clients=HOST,
        sees=(Owner.CLIENT_NODE,),
        because="the node has one address in VPP",
        cited="vpp-dataplane felix_server.go; e2e rows 2 and 4",
        confirmed=_D,
    ),
    Rule(
        name="node-port-itself",
        targets=NODE_PORT,
        itself=True,
        at_entry=True,
        sees=(Owner.ENTRY_NODE,),
        because="source and destination are one, so the source becomes the node's",
        cited=_POLICY,
        confirmed=_D,
    ),
    Rule(
        name="node-port-itself-through-another",
        targets=NODE_PORT,
        itself=True,
        sees=(Owner.ENTRY_NODE,),
        because="from node to node, so the source becomes the entry node's",
        cited=f"inferred from {_POLICY}",
        confirmed=_U,
    ),
    Rule(
        name="pod-at-entry",
        targets=NODE_PORT,
        clients=POD,
        at_entry=True,
        sees=(Owner.CLIENT,),
        because="comes from a pod and stays in the cluster: the source stays",
        cited=f"{_POLICY}; e2e rows 5 and 9; {_IGNORED}",
        confirmed=_D,
    ),
    Rule(
        name="host-at-entry",
        targets=NODE_PORT,
        clients=HOST,
        at_entry=True,
        sees=(Owner.CLIENT_NODE,),
        because="the node has one address in VPP",
        cited=f"e2e rows 6 and 10; {_IGNORED}",
        confirmed=_D,
    ),
    Rule(
        name="here-outside-and-pods",
        targets=NODE_PORT,
        clients=OUTSIDE | POD,
        local=True,
        sees=(Owner.CLIENT,),
        because="goes to a pod or to the node's own host stack: the source stays",
        cited=f"{_POLICY}; e2e rows 7 and 15 (the documentation says it is always translated)",
        confirmed=_D,
    ),
    Rule(
        name="here-host",
        targets=NODE_PORT,
        clients=HOST,
        local=True,
        sees=(Owner.CLIENT_NODE,),
        because="the client's node has one address in VPP, and it stays",
        cited=f"{_POLICY}; e2e row 8",
        confirmed=_D,
    ),
    Rule(
        name="elsewhere-local",
        targets=NODE_PORT,
        policies=LOCAL,
        local=False,
        sees=(Owner.ENTRY_NODE,),
        because="policy Local is not honoured, and from node to node the source becomes the entry node's",
        cited=f"{_IGNORED}; {_POLICY}",
        confirmed=_D,
    ),
    Rule(
        name="elsewhere",
        targets=NODE_PORT,
        local=False,
        sees=(Owner.ENTRY_NODE,),
        because="from node to node the source becomes the entry node's",
        cited=f"{_POLICY}; e2e rows 11, 12 and 14",
        confirmed=_D,
    ),
)

BOOK = rules.Book(rules=RULES)
