"""From the rules in force to the rules wanted: one input for ``iptables-restore``. Pure.

Only what differs is written: a chain that is as wanted keeps its rules and their counters, as with the real
kube-proxy's partial sync. Chains of services that are gone are emptied and deleted in the same go. Jumps that are
missing are put in front of the other rules of the built-in chains, as the real one's ``EnsureRule(Prepend)`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.lab.proxy import names, rules, saved

_NEW = "-m conntrack --ctstate NEW"


def _jump(table: rules.TableName, chain: str, target: str, why: str = "", *matches: str) -> rules.Rule:
    return rules.Rule(
        table=table, chain=chain, matches=(*matches, *((rules.comment(why),) if why else ())), target=target
    )


_OUTSIDE = "kubernetes externally-visible service portals"
_PORTALS = "kubernetes service portals"
_BALANCER = "kubernetes load balancer firewall"

JUMPS = (
    _jump("filter", "INPUT", names.EXTERNAL_SERVICES, _OUTSIDE, _NEW),
    _jump("filter", "FORWARD", names.EXTERNAL_SERVICES, _OUTSIDE, _NEW),
    _jump("filter", "INPUT", names.NODE_PORTS, "kubernetes health check service ports"),
    _jump("filter", "FORWARD", names.SERVICES, _PORTALS, _NEW),
    _jump("filter", "OUTPUT", names.SERVICES, _PORTALS, _NEW),
    _jump("filter", "FORWARD", names.FORWARD, "kubernetes forwarding rules"),
    _jump("filter", "INPUT", names.PROXY_FIREWALL, _BALANCER, _NEW),
    _jump("filter", "OUTPUT", names.PROXY_FIREWALL, _BALANCER, _NEW),
    _jump("filter", "FORWARD", names.PROXY_FIREWALL, _BALANCER, _NEW),
    _jump("nat", "OUTPUT", names.SERVICES, _PORTALS),
    _jump("nat", "PREROUTING", names.SERVICES, _PORTALS),
    _jump("nat", "POSTROUTING", names.POSTROUTING, "kubernetes postrouting rules"),
)
"""The ways into kube-proxy's chains; each is put in front of those before it."""

KUBELET_JUMPS = (_jump("filter", "INPUT", names.FIREWALL), _jump("filter", "OUTPUT", names.FIREWALL))
"""The ways into the chain that kube-proxy shares with the kubelet. The real one ensures them last, in front of all
others; on a node, the kubelet was there before it, so they are found behind them."""


def restore_text(now: Mapping[str, saved.SavedTable], wanted: rules.Ruleset) -> str:
    """What ``iptables-restore --noflush`` must read to make ``wanted`` true; empty if it is already."""
    return "".join(
        [
            _mangle(now.get("mangle", saved.EMPTY)),
            _table("filter", now.get("filter", saved.EMPTY), wanted),
            _table("nat", now.get("nat", saved.EMPTY), wanted),
        ]
    )


def _mangle(now: saved.SavedTable) -> str:
    # Nothing is in this chain. The real kube-proxy looks for it now and then: once it is gone, somebody has
    # flushed iptables.
    return "" if names.CANARY in now.chains else rules.render_table("mangle", {names.CANARY: []})


def _table(name: rules.TableName, now: saved.SavedTable, wanted: rules.Ruleset) -> str:
    all_chains = wanted.table(name)
    chains: dict[str, Iterable[str]] = {
        chain: found for chain, found in all_chains.items() if tuple(found) != now.chains.get(chain)
    }
    stale = [chain for chain in now.chains if chain.startswith(names.OF_ONE_SERVICE) and chain not in all_chains]
    jumps = [_inserted(jump) for jump in (*KUBELET_JUMPS, *JUMPS) if jump.table == name and not _is_there(jump, now)]
    if not (chains or stale or jumps):
        return ""
    # Naming a chain empties it, and only an empty chain can be deleted.
    chains |= dict.fromkeys(stale, ())
    return rules.render_table(name, chains, [*jumps, *(f"-X {chain}" for chain in stale)])


def _is_there(jump: rules.Rule, now: saved.SavedTable) -> bool:
    return jump.text in now.chains.get(jump.chain, ())


def _inserted(jump: rules.Rule) -> str:
    return f"-I {jump.chain} {jump.body}"
