"""What Calico's eBPF dataplane shows: the client, wherever no host's own source address comes first.

The entry node translates the destination only, or hands the untranslated packet to the backend's node. Clients
inside the cluster are translated at their own socket (connect-time load balancing) or at their own veth, whatever
node they dial and whatever its policy, so the entry node is not on their way at all.

Every row is recorded address by address in ``matrix/ebpf.json``, ``matrix/ebpf-noctlb.json`` and, for clients
outside, ``matrix/ebpf-dsr.json`` (Calico v3.32.1), unless it says otherwise; numbers of findings are those of the
recordings' README. Rows with ``observed`` are what finding 6 leaves unexplained.
"""

from __future__ import annotations

from harness.model import words
from harness.oracle import coverage, rules
from harness.oracle.kube_proxy_iptables import CLUSTER_IP, HOST, LOCAL, NODE_PORT, POD, POD_ADDRESS, TIMEOUT
from harness.oracle.rules import OUTSIDE, Owner, Rule

OBSERVED_ON = "v3.32.1"

_SERVICE = NODE_PORT | CLUSTER_IP
_UDP = frozenset({words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED})
_CONNECTED = frozenset({words.Protocol.HTTP, words.Protocol.TCP, words.Protocol.UDP})
_TCP = frozenset({words.Protocol.HTTP, words.Protocol.TCP})
_UNCONNECTED = frozenset({words.Protocol.UDP_UNCONNECTED})
_REFUSED = frozenset({words.Silence.REFUSED})
_RESET = frozenset({words.Silence.RESET})
_DESIGN = "Calico felix/design/bpf-services.md"
_FINDING_6 = "recordings, finding 6: cause not established"
_ROUTE = "Calico felix/design/bpf-host-networking.md; recorded truth table, host-net rows"


def _unexplained(
    name: str,
    *,
    protocols: frozenset[words.Protocol],
    silence: frozenset[words.Silence] = frozenset(),
    at_entry: bool | None = None,
    beside: bool | None = None,
    local: bool | None = None,
) -> Rule:
    return Rule(
        name=name,
        targets=NODE_PORT,
        clients=HOST,
        host_network=True,
        balanced=False,
        protocols=protocols,
        at_entry=at_entry,
        beside=beside,
        local=local,
        silence=silence,
        sees=() if silence else (Owner.CLIENT_NODE,),
        because="host-network client to host-network backend, translated in the kernel",
        cited=_FINDING_6,
        observed=OBSERVED_ON,
    )


_HOST_TO_HOST = (
    # On the backend's own node, through its own address: UDP works, TCP is reset.
    _unexplained("host-host-own-udp", protocols=_UDP, beside=True, local=True),
    _unexplained("host-host-own-tcp", protocols=_TCP, beside=True, local=True, silence=_RESET),
    # There, but through another node's address: nothing is answered.
    _unexplained("host-host-beside", protocols=_UDP | _TCP, beside=True, local=False, silence=TIMEOUT),
    # On another node, through that node's own address.
    _unexplained("host-host-at-entry-tcp", protocols=_TCP, beside=False, at_entry=True, silence=_REFUSED),
    _unexplained("host-host-at-entry-udp", protocols=_UDP, beside=False, at_entry=True, silence=TIMEOUT),
    # On another node, through any other node's address: only a socket that is not connected hears the answer.
    _unexplained("host-host-connected", protocols=_CONNECTED, beside=False, at_entry=False, silence=TIMEOUT),
    _unexplained("host-host-unconnected", protocols=_UNCONNECTED, beside=False, at_entry=False),
)

RULES = (
    Rule(
        name="internal-local-elsewhere",
        targets=CLUSTER_IP,
        policies=LOCAL,
        local=False,
        silence=_REFUSED | TIMEOUT,
        steps_aside=True,
        because="internalTrafficPolicy Local and no backend on the client's node",
        cited="Calico felix/fv/bpf_test.go (iTP Local: none); the kind of silence is not established",
        confirmed=words.Confirmed.UNCONFIRMED,
    ),
    Rule(
        name="outside-local-elsewhere",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        local=False,
        protocols=_CONNECTED,
        silence=_REFUSED,
        steps_aside=True,
        because="refused: policy Local and no backend on this node",
        cited="recordings, finding 4 (a TCP reset, and ICMP for a connected UDP socket)",
    ),
    Rule(
        name="outside-local-elsewhere-unconnected",
        targets=NODE_PORT,
        policies=LOCAL,
        clients=OUTSIDE,
        local=False,
        silence=TIMEOUT,
        steps_aside=True,
        because="refused: policy Local and no backend on this node; a socket that is not connected hears no ICMP",
        cited="recordings, finding 4; udp(7) on errors of sockets that are not connected",
    ),
    Rule(
        name="outside",
        clients=OUTSIDE,
        sees=(Owner.CLIENT,),
        because="only the destination is translated",
        cited=f"{_DESIGN}; recorded truth table, external and gateway rows; DSR is a return path only",
    ),
    Rule(
        name="no-host-nat",
        clients=HOST,
        targets=_SERVICE,
        balanced=False,
        host_nat=False,
        silence=TIMEOUT | _REFUSED | frozenset({words.Silence.UNREACHABLE}),
        because="nothing translates the node's own packets: bpfHostNetworkedNATWithoutCTLB is Disabled",
        cited="Calico felix int_dataplane.go (valid combinations of the two settings); not measured",
        confirmed=words.Confirmed.UNCONFIRMED,
    ),
    Rule(
        name="itself-direct",
        targets=POD_ADDRESS,
        itself=True,
        sees=(Owner.CLIENT,),
        because="never leaves the pod",
        cited="recorded truth table, row backend pod itself -> podip",
    ),
    Rule(
        name="itself-at-connect",
        itself=True,
        balanced=True,
        sees=(Owner.CLIENT,),
        because="the socket is connected to the pod itself",
        cited=f"{_DESIGN}; recorded truth table, rows backend pod itself over TCP",
    ),
    Rule(
        name="itself-ipip",
        itself=True,
        overlays=frozenset({"IPIP"}),
        sees=(Owner.CLIENT_EGRESS,),
        because="masqueraded: a backend that reaches itself through its Service",
        cited="Calico felix/fv/bpf_test.go (self through a Service over IPIP: the tunnel's address)",
        confirmed=words.Confirmed.DOCUMENTED,
    ),
    Rule(
        name="itself",
        itself=True,
        sees=(Owner.CLIENT_NODE,),
        because="masqueraded: a backend that reaches itself through its Service",
        cited=f"{_DESIGN}; recorded truth table, rows backend pod itself over UDP and without connect-time balancing",
    ),
    Rule(
        name="pod-to-other-host",
        clients=POD,
        host_network=True,
        beside=False,
        sees=(Owner.CLIENT_NODE,),
        because="masqueraded by the client's node: another node is outside the pool",
        cited="Calico natOutgoing; recorded truth table, rows host-network backend",
    ),
    Rule(
        name="pod",
        clients=POD,
        sees=(Owner.CLIENT,),
        because="translated on the client's own node, the destination only",
        cited=f"{_DESIGN}; recorded truth table, pod rows",
    ),
    Rule(
        name="host-to-remote-pod",
        clients=HOST,
        host_network=False,
        beside=False,
        sees=(Owner.CLIENT_EGRESS,),
        because="the node's own packets leave by the overlay with its device's address",
        cited=_ROUTE,
    ),
    Rule(
        name="host-to-own-pod",
        clients=HOST,
        host_network=False,
        sees=(Owner.CLIENT_NODE,),
        because="the node's own packets show its own address",
        cited=_ROUTE,
    ),
    Rule(
        name="host-to-host-direct",
        clients=HOST,
        host_network=True,
        targets=POD_ADDRESS,
        sees=(Owner.CLIENT_NODE,),
        because="the node's own packets show its own address, and nothing is translated",
        cited=_ROUTE,
    ),
    Rule(
        name="host-to-host-at-connect",
        clients=HOST,
        host_network=True,
        balanced=True,
        sees=(Owner.CLIENT_NODE,),
        because="the socket is connected to the backend's node, from the client's own address",
        cited="recorded truth table, rows host-network backend, TCP",
    ),
    *_HOST_TO_HOST,
    Rule(
        name="host-to-host-clusterip",
        clients=HOST,
        host_network=True,
        targets=CLUSTER_IP,
        sees=(Owner.CLIENT_NODE,),
        because="the node's own packets show its own address; that they are answered is not measured",
        cited="inferred from the rows above and finding 6",
        confirmed=words.Confirmed.UNCONFIRMED,
    ),
)

BOOK = rules.Book(rules=RULES, recorded=coverage.calico_bpf)
