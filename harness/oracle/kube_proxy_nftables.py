"""What kube-proxy in nftables mode shows: the same as in iptables mode, by other rules.

Every cell of ``matrix/nftables.json``, recorded on a cluster of its own with Calico in nftables mode too, has the
address of the iptables column. The rows are those of ``kube_proxy_iptables``; the rules of kube-proxy behind them
are nftables/proxier.go's.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from harness.oracle import coverage, kube_proxy_iptables, rules

_MARK = "kube-proxy nftables/proxier.go (external chains mark every packet); matrix/nftables.json"
_LOCAL = "kube-proxy nftables/proxier.go (externalTrafficPolicy Local: local chains, else drop); matrix/nftables.json"
_HAIRPIN = "kube-proxy nftables/proxier.go (set hairpin-connections); matrix/nftables.json"
_RECORDED = "kernel and Calico, not kube-proxy, as in iptables mode; matrix/nftables.json"

CITED = MappingProxyType(
    {
        "internal-local-elsewhere-own-datagram": "kube-proxy nftables/proxier.go (no local endpoint: drop, "
        "in the output hook too); kernel netfilter/core.c (NF_DROP is -EPERM to the caller); not measured",
        "internal-local-elsewhere": "kube-proxy nftables/proxier.go (no local endpoint: drop); not measured",
        "direct-itself": _RECORDED,
        "clusterip-itself": _HAIRPIN,
        "direct-pod-to-pod": "kube-proxy nftables/proxier.go (IfNotLocal: own pods are not marked); "
        "matrix/nftables.json",
        "direct-pod-to-own-host": _RECORDED,
        "direct-pod-to-other-host": _RECORDED,
        "direct-host-to-remote-pod": _RECORDED,
        "direct-host": _RECORDED,
        "local-outside-elsewhere": _LOCAL,
        "local-inside-elsewhere": _LOCAL,
        "local-outside": _LOCAL,
        "local-itself": _HAIRPIN,
        "local-pod-at-entry-to-other-host": _RECORDED,
        "local-pod-at-entry": "kube-proxy nftables/proxier.go (own pods go to the cluster chain unmarked); "
        "matrix/nftables.json",
        "local-inside": _RECORDED,
        "host-backend-here-outside": _RECORDED,
        "host-backend-here-pod-beside": _RECORDED,
        "host-backend-here-inside": _RECORDED,
        "here": _MARK,
        "host-backend-elsewhere": _MARK,
        "elsewhere": _MARK,
    }
)

RULES = tuple(replace(rule, cited=CITED[rule.name]) for rule in kube_proxy_iptables.RULES)

BOOK = rules.Book(rules=RULES, recorded=coverage.kube_proxy)
