"""What kube-proxy in IPVS mode shows. Nothing here has been measured.

The addresses follow iptables mode, since the same marks and the same kernel make them; one thing differs. Under
policy Local a node without a backend does not drop: its virtual server gets the cluster's endpoints and forwards
without masquerading, so the backend may log the true client while the client hears nothing it can use. A line in a
server's log is not success.

Rows are those of ``kube_proxy_iptables`` with the sources of kube-proxy's ipvs/proxier.go (Kubernetes v1.36.1) and
what they confirm; e2e rows are Calico's own workload_ingress.go, an expectation and not a measurement.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from harness.model import words
from harness.oracle import kube_proxy_iptables, rules

_MARK = "kube-proxy ipvs/proxier.go (NodePort sets jump to KUBE-MARK-MASQ)"
_LOCAL = "kube-proxy ipvs/proxier.go (KUBE-NODE-PORT-LOCAL sets return before the mark)"
_LOOP = "kube-proxy ipvs/proxier.go (KUBE-LOOP-BACK: masquerade)"
_WITHOUT = "kube-proxy ipvs/proxier.go (Local without a local endpoint: the cluster's endpoints, no masquerade)"
_DELIVERY = "inferred: local delivery as in iptables mode"
_OUTGOING = "inferred: Calico natOutgoing as in iptables mode"

_D = words.Confirmed.DOCUMENTED
_U = words.Confirmed.UNCONFIRMED

CITED = MappingProxyType(
    {
        "internal-local-elsewhere-own-datagram": ("inferred from kube-proxy ipvs/proxier.go; not established", _U),
        "internal-local-elsewhere": ("inferred from kube-proxy ipvs/proxier.go; not established", _U),
        "direct-itself": ("inferred: never leaves the pod", _U),
        "clusterip-itself": (_LOOP, _D),
        "direct-pod-to-pod": ("kube-proxy ipvs/proxier.go (KUBE-CLUSTER-IP with IfNotLocal); e2e rows 1 and 3", _D),
        "direct-pod-to-own-host": (_DELIVERY, _U),
        "direct-pod-to-other-host": (_OUTGOING, _U),
        "direct-host-to-remote-pod": ("kube-proxy ipvs/proxier.go (masquerade of host sources); e2e row 4", _D),
        "direct-host": ("inferred from kube-proxy ipvs/proxier.go (masquerade of host sources)", _U),
        "local-outside-elsewhere": (_WITHOUT, _D),
        "local-inside-elsewhere": (f"{_WITHOUT}; inferred for clients inside", _U),
        "local-outside": (_LOCAL, _D),
        "local-itself": (_LOOP, _D),
        "local-pod-at-entry-to-other-host": (_OUTGOING, _U),
        "local-pod-at-entry": (f"{_LOCAL}; inferred where the backend is elsewhere", _U),
        "local-inside": (_OUTGOING, _U),
        "host-backend-here-outside": (_DELIVERY, _U),
        "host-backend-here-pod-beside": (_DELIVERY, _U),
        "host-backend-here-inside": (_DELIVERY, _U),
        "here": (f"{_MARK}; e2e rows 5 and 7; the address is inferred from iptables mode", _U),
        "host-backend-elsewhere": (f"{_MARK}; the address is inferred from iptables mode", _U),
        "elsewhere": (f"{_MARK}; e2e rows 9 to 12 and 14", _D),
    }
)

# The kinds of silence after a forward that nobody can answer usefully: nothing says which it is.
_NO_USE = frozenset({words.Silence.TIMEOUT, words.Silence.REFUSED, words.Silence.RESET})
_UNSERVED = "internalTrafficPolicy Local and no backend on the client's node; which silence is not established"
_FORWARDED = frozenset({"local-outside-elsewhere", "local-inside-elsewhere"})


def _row(rule: rules.Rule) -> rules.Rule:
    cited, confirmed = CITED[rule.name]
    told = replace(rule, cited=cited, confirmed=confirmed)
    if rule.name == "internal-local-elsewhere-own-datagram":
        return replace(told, because=_UNSERVED, silence=_NO_USE | kube_proxy_iptables.DROPPED)
    if rule.name not in _FORWARDED:
        return told
    because = "forwarded without masquerading: policy Local and no backend on this node, so the answer is of no use"
    return replace(told, because=because, silence=_NO_USE, may_reach=True)


RULES = tuple(_row(rule) for rule in kube_proxy_iptables.RULES)

BOOK = rules.Book(rules=RULES)
