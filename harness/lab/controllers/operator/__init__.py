"""A small tigera-operator: from ``Installation/default`` to calico-node, its configuration and their status.

What it does, in which order and in which words is what was recorded of operator v1.42.3 with Calico v3.32.1 through
the manual and the automatic switch to eBPF and back. What the lab leaves out (Typha, kube-controllers, the Calico API
server, certificates) does not appear in its status.
"""
