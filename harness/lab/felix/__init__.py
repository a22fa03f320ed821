"""felix: the node agent of DaemonSet calico-system/calico-node, in one network namespace.

It makes the overlay, the routes and the masquerade of pods, and in eBPF mode runs the dataplane of
``harness.lab.bpf`` in place of kube-proxy's rules. The pure parts (``overlay``, ``rules``, ``sysctls``,
``kube_proxy``) say what must be there; ``appliers`` puts it there; ``agent`` decides when.
"""
