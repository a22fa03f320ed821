"""The lab's eBPF dataplane: a reference for what Calico's does with Services, not Calico.

``contents`` says purely what the maps must hold, ``layouts`` how C and Python see them, ``loading`` and
``attaching`` put the programs of ``src`` (compiled in ``objects`` by ``build``) into the kernel, ``syncing`` and
``sweeping`` keep the maps true, ``dataplane`` does all of it for one node, ``probing`` finds out whether a machine
can, and ``dumping`` prints the maps as ``calico-node -bpf … dump`` would.

A packet's life, program by program (directions are the device's own):

=====================================  ==================================================================
client outside → NodePort              ``from_outside`` on eth0: a backend here gets it with its destination
                                       translated; for one elsewhere it goes, as it is, into VXLAN 0xca11c0
… on the backend's node                ``from_tunnel`` on vxlan.calico: a backend of this node, translated
the reply                              ``to_outside`` on eth0: the dialled address again; back through the
                                       tunnel, or with DSR straight to the client
… on the node that was dialled         ``from_tunnel``: on to the client
pod → ClusterIP or any NodePort        ``from_pod`` on the veth, before routing and masquerade; a pod that gets
                                       itself has the node as its client
the reply                              ``to_pod`` on the veth
host → ClusterIP or any NodePort       ``to_outside`` on eth0 or lo: translated and sent again, from the tunnel
                                       address to a pod elsewhere
the reply                              wherever it comes in: ``from_outside``, ``from_tunnel``, ``from_pod``,
                                       or ``from_host`` on lo
pod → pod on another node              ``to_tunnel`` on vxlan.calico says which node that is
TCP of pods and hosts, by default      ``connect`` in the node's cgroup: no packet carries the service's address
=====================================  ==================================================================

Source ports stay, except where two flows would be one at the backend. A port without backend is the node's own
closed port; a ClusterIP without one is answered by ICMP "port unreachable". Packets that are too long for the
tunnel are answered by ICMP "fragmentation needed", or sent in fragments of the outer packet where that is allowed.

Where the recorded v3.32.1 fails, a host's own client and a host-network backend through another address or without
connect-time load balancing, this one answers, from the node's own address. Not here: IPv6, SCTP, policy, the ranges
of ``loadBalancerSourceRanges``, endpoints outside the cluster, and connections of no service, which the real
dataplane tracks too.
"""
