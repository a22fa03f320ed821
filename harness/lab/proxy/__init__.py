"""kube-proxy in iptables mode: Services and EndpointSlices in, iptables rules out.

``render`` is pure: the same objects give the same rules as the real kube-proxy v1.36 writes on that node.
``kernel`` puts them in force, and ``agent`` is the program that does so whenever the cluster changes.
"""
