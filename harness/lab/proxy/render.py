"""From Services, EndpointSlices and a node to kube-proxy's rules in iptables mode. Pure.

Follows ``syncProxyRules`` of kubernetes v1.36 (pkg/proxy/iptables/proxier.go) rule by rule; the recorded
``iptables-save`` of a real cluster is what it is held against.

The real kube-proxy walks its services in Go's random map order. So in the chains that all services share
(``KUBE-SERVICES``, ``KUBE-NODEPORTS``, ``KUBE-EXTERNAL-SERVICES``, ``KUBE-PROXY-FIREWALL``) only the order of the
rules of one service port is its doing; here the service ports are ordered by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.lab import services
from harness.lab.proxy import endpoints, names, options, rules, service_rules

LAST_RULE = "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
LOOPBACK = "127.0.0.0/8"


def ruleset(ports: Sequence[services.ServicePort], node: options.Node, config: options.Options) -> rules.Ruleset:
    """Everything that kube-proxy writes on that node for these service ports."""
    brief = sum(len(port.endpoints) for port in ports) > config.large_cluster_endpoints
    found: list[rules.Rule] = [*_masquerading(config), *_loopback_guard(config)]
    for port in ports:
        usable = endpoints.usable(port, node.name, node.zone)
        found += service_rules.rules_of(port, usable, node=node, config=config, brief=brief)
    found += [*_to_node_ports(config), *_forwarding(config)]
    return rules.Ruleset(chains=_standing_chains(config), rules=tuple(found))


def save_text(wanted: rules.Ruleset) -> str:
    """The tables filter and nat as ``iptables-save`` prints them, without its comments and without other chains."""
    tables: Iterable[rules.TableName] = ("filter", "nat")
    return "".join(rules.render_table(name, wanted.table(name)) for name in tables)


def _standing_chains(config: options.Options) -> dict[rules.TableName, tuple[str, ...]]:
    filter_chains = (
        names.SERVICES,
        names.EXTERNAL_SERVICES,
        names.FORWARD,
        names.NODE_PORTS,
        names.PROXY_FIREWALL,
        names.CANARY,
        # The jumps to this chain are ensured in any case, only its rule depends.
        names.FIREWALL,
    )
    nat_chains = (names.SERVICES, names.NODE_PORTS, names.POSTROUTING, names.MARK_MASQ, names.CANARY)
    return {"filter": filter_chains, "nat": nat_chains}


def _masquerading(config: options.Options) -> Iterator[rules.Rule]:
    mark = f"{config.masquerade_mark:#x}"
    yield rules.Rule(
        table="nat",
        chain=names.POSTROUTING,
        matches=(f"-m mark ! --mark {mark}/{mark}",),
        target="RETURN",
    )
    # The mark is taken off, so that a packet that passes the stack twice is not masqueraded twice.
    yield rules.Rule(table="nat", chain=names.POSTROUTING, target=f"MARK --set-xmark {mark}/0x0")
    yield rules.Rule(
        table="nat",
        chain=names.POSTROUTING,
        matches=(rules.comment("kubernetes service traffic requiring SNAT"),),
        target="MASQUERADE" + (" --random-fully" if config.random_fully else ""),
    )
    yield rules.Rule(table="nat", chain=names.MARK_MASQ, target=f"MARK --set-xmark {mark}/{mark}")


def _loopback_guard(config: options.Options) -> Iterator[rules.Rule]:
    # route_localnet lets neighbours send to 127.0.0.1; the kubelet writes the same rule into the same chain.
    if config.localhost_node_ports:
        yield rules.Rule(
            table="filter",
            chain=names.FIREWALL,
            source="!" + LOOPBACK,
            destination=LOOPBACK,
            matches=(
                rules.comment("block incoming localnet connections"),
                "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT",
            ),
            target="DROP",
        )


def _to_node_ports(config: options.Options) -> Iterator[rules.Rule]:
    last = rules.comment(LAST_RULE)
    for address in config.node_port_addresses:
        yield rules.Rule(
            table="nat", chain=names.SERVICES, destination=address, matches=(last,), target=names.NODE_PORTS
        )
    if not config.node_port_addresses:
        yield rules.Rule(
            table="nat",
            chain=names.SERVICES,
            destination="" if config.localhost_node_ports else "!" + LOOPBACK,
            matches=(last, "-m addrtype --dst-type LOCAL"),
            target=names.NODE_PORTS,
        )


def _forwarding(config: options.Options) -> Iterator[rules.Rule]:
    if not config.conntrack_tcp_liberal:
        counted = (rules.counted(options.INVALID_COUNTER),) if options.INVALID_COUNTER in config.counters else ()
        yield rules.Rule(
            table="filter",
            chain=names.FORWARD,
            matches=("-m conntrack --ctstate INVALID", *counted),
            target="DROP",
        )
    mark = f"{config.masquerade_mark:#x}"
    yield rules.Rule(
        table="filter",
        chain=names.FORWARD,
        matches=(rules.comment("kubernetes forwarding rules"), f"-m mark --mark {mark}/{mark}"),
        target="ACCEPT",
    )
    yield rules.Rule(
        table="filter",
        chain=names.FORWARD,
        matches=(
            rules.comment("kubernetes forwarding conntrack rule"),
            "-m conntrack --ctstate RELATED,ESTABLISHED",
        ),
        target="ACCEPT",
    )
