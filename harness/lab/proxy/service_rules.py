"""The rules of one service port on one node. Pure; see ``render`` for where they come from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

from harness.lab import services
from harness.lab.proxy import endpoints, names, options, rules

LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True, kw_only=True)
class _Context:
    """One service port with all that its rules depend on."""

    port: services.ServicePort
    usable: endpoints.Usable
    node: options.Node
    config: options.Options
    brief: bool

    @property
    def protocol(self) -> str:
        return self.port.protocol.lower()

    @property
    def internal(self) -> bool:
        """Whether the ClusterIP leads anywhere on this node."""
        return bool(self.usable.local) if self.port.internal_policy == "Local" else self.usable.anywhere

    @property
    def external(self) -> bool:
        """Whether what comes from outside is answered on this node."""
        return bool(self.usable.local) if self.port.external_policy == "Local" else self.usable.anywhere

    @property
    def internal_chain(self) -> str:
        return self._chain_of(self.port.internal_policy)

    @property
    def external_policy_chain(self) -> str:
        return self._chain_of(self.port.external_policy)

    @property
    def limits_sources(self) -> bool:
        limited = self.port.load_balancer_ips and self.port.load_balancer_source_ranges
        return bool(self.usable.anywhere and limited)

    @property
    def refusal(self) -> tuple[str, str]:
        """Why and how traffic is turned away that finds no endpoint here: comment and target."""
        if self.usable.anywhere:
            return f"{self.port.id} has no local endpoints", "DROP"
        return f"{self.port.id} has no endpoints", "REJECT --reject-with icmp-port-unreachable"

    def _chain_of(self, policy: services.Policy) -> str:
        return names.local_chain(self.port) if policy == "Local" else names.cluster_chain(self.port)

    def to_port(
        self,
        table: rules.TableName,
        chain: str,
        *,
        why: str,
        target: str,
        destination: str = "",
        source: str = "",
        number: int = 0,
        before: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
    ) -> rules.Rule:
        """A rule for packets to a port of the service: its own, unless another number is given."""
        return rules.Rule(
            table=table,
            chain=chain,
            source=source,
            destination=destination,
            protocol=self.protocol,
            matches=(
                rules.comment(why),
                *before,
                rules.port_match(self.protocol, number or self.port.port),
                *after,
            ),
            target=target,
        )


def rules_of(
    port: services.ServicePort,
    usable: endpoints.Usable,
    *,
    node: options.Node,
    config: options.Options,
    brief: bool,
) -> Iterator[rules.Rule]:
    """All rules of one service port; ``brief`` leaves out the comments that kube-proxy drops in a large cluster."""
    context = _Context(port=port, usable=usable, node=node, config=config, brief=brief)
    yield from _cluster_ip(context)
    yield from _external_addresses(context)
    yield from _node_port(context)
    yield from _health_check(context)
    yield from _masquerade_foreign(context)
    yield from _external_chain(context)
    yield from _source_ranges(context)
    if usable.cluster:
        yield from _dispatch(context, names.cluster_chain(port), usable.cluster)
    if usable.local:
        yield from _dispatch(context, names.local_chain(port), usable.local)
    for endpoint in usable.reachable:
        yield from _endpoint(context, endpoint)


def _cluster_ip(context: _Context) -> Iterator[rules.Rule]:
    port = context.port
    if context.internal:
        yield context.to_port(
            "nat",
            names.SERVICES,
            destination=port.cluster_ip,
            why=f"{port.id} cluster IP",
            target=context.internal_chain,
        )
        return
    why, target = context.refusal
    yield context.to_port("filter", names.SERVICES, destination=port.cluster_ip, why=why, target=target)


def _external_addresses(context: _Context) -> Iterator[rules.Rule]:
    port, external = context.port, names.external_chain(context.port)
    to_balancer = names.source_range_chain(port) if context.limits_sources else external
    for addresses, kind, target in (
        (port.external_ips, "external", external),
        (port.load_balancer_ips, "loadbalancer", to_balancer),
    ):
        for address in addresses:
            if context.usable.anywhere:
                yield context.to_port(
                    "nat", names.SERVICES, destination=address, why=f"{port.id} {kind} IP", target=target
                )
            if target != external:
                yield context.to_port(
                    "filter",
                    names.PROXY_FIREWALL,
                    destination=address,
                    why=f"{port.id} traffic not accepted by {target}",
                    target="DROP",
                )
            if not context.external:
                why, refusal = context.refusal
                yield context.to_port("filter", names.EXTERNAL_SERVICES, destination=address, why=why, target=refusal)


def _node_port(context: _Context) -> Iterator[rules.Rule]:
    port, config = context.port, context.config
    if not port.node_port:
        return
    external = names.external_chain(port)
    if context.usable.anywhere:
        if config.localhost_node_ports and options.LOCALHOST_COUNTER in config.counters:
            yield context.to_port(
                "nat",
                names.NODE_PORTS,
                destination=LOOPBACK,
                why=port.id,
                number=port.node_port,
                after=(rules.counted(options.LOCALHOST_COUNTER),),
                target=external,
            )
        yield context.to_port("nat", names.NODE_PORTS, why=port.id, number=port.node_port, target=external)
    if not context.external:
        why, target = context.refusal
        yield context.to_port(
            "filter",
            names.EXTERNAL_SERVICES,
            why=why,
            before=("-m addrtype --dst-type LOCAL",),
            number=port.node_port,
            target=target,
        )


def _health_check(context: _Context) -> Iterator[rules.Rule]:
    if context.port.health_check_node_port:
        # A load balancer asks every node, so the port is open whether or not an endpoint is here.
        yield rules.Rule(
            table="filter",
            chain=names.NODE_PORTS,
            protocol="tcp",
            matches=(
                rules.comment(f"{context.port.id} health check node port"),
                rules.port_match("tcp", context.port.health_check_node_port),
            ),
            target="ACCEPT",
        )


def _masquerade_foreign(context: _Context) -> Iterator[rules.Rule]:
    # A ClusterIP may be routed to a node from outside the cluster; since the endpoint can be on another node, the
    # answer must come back through this one.
    if context.internal and (context.config.masquerade_all or context.config.cluster_cidr):
        yield context.to_port(
            "nat",
            context.internal_chain,
            source="" if context.config.masquerade_all else "!" + context.config.cluster_cidr,
            destination=context.port.cluster_ip,
            why=f"{context.port.id} cluster IP",
            target=names.MARK_MASQ,
        )


def _external_chain(context: _Context) -> Iterator[rules.Rule]:
    port, chain = context.port, names.external_chain(context.port)
    if not (context.usable.anywhere and endpoints.externally_accessible(port)):
        return
    if port.external_policy == "Local":
        yield from _short_circuit(context, chain)
    else:
        # The endpoint may be on another node, so the answer must come back through this one.
        yield _in_chain(chain, f"masquerade traffic for {port.id} external destinations", names.MARK_MASQ)
    if context.external:
        yield rules.Rule(table="nat", chain=chain, target=context.external_policy_chain)


def _short_circuit(context: _Context, chain: str) -> Iterator[rules.Rule]:
    # Pods and the node itself are spared the policy, as if they had gone out to a load balancer and come back.
    whose, cluster = f"{context.port.id} external destinations", names.cluster_chain(context.port)
    if context.config.cluster_cidr:
        yield _in_chain(chain, f"pod traffic for {whose}", cluster, source=context.config.cluster_cidr)
    from_here = "-m addrtype --src-type LOCAL"
    yield _in_chain(chain, f"masquerade LOCAL traffic for {whose}", names.MARK_MASQ, from_here)
    yield _in_chain(chain, f"route LOCAL traffic for {whose}", cluster, from_here)


def _in_chain(chain: str, why: str, target: str, *matches: str, source: str = "") -> rules.Rule:
    return rules.Rule(table="nat", chain=chain, source=source, matches=(rules.comment(why), *matches), target=target)


def _source_ranges(context: _Context) -> Iterator[rules.Rule]:
    if not context.limits_sources:
        return
    port, chain, external = context.port, names.source_range_chain(context.port), names.external_chain(context.port)
    why = f"{port.id} loadbalancer IP"
    for network in port.load_balancer_source_ranges:
        yield _in_chain(chain, why, external, source=network)
    address = context.node.address
    networks = map(ipaddress.IPv4Network, port.load_balancer_source_ranges)
    if address is not None and any(address in network for network in networks):
        # The node may have the balancer's address on a device of its own, and then calls from that very address.
        for balancer in port.load_balancer_ips:
            yield _in_chain(chain, why, external, source=balancer)
    # What gets here was not translated, so a rule of KUBE-PROXY-FIREWALL drops it; this one only says so.
    yield _in_chain(chain, f"other traffic to {port.id} will be dropped by {names.PROXY_FIREWALL}", "")


def _dispatch(context: _Context, chain: str, backends: endpoints.Endpoints) -> Iterator[rules.Rule]:
    if context.port.affinity_s is not None:
        for backend in backends:
            remembered = rules.remembered_source(names.endpoint_chain(context.port, backend), context.port.affinity_s)
            yield _to_backend(context, chain, backend, remembered)
    for index, backend in enumerate(backends):
        left = len(backends) - index
        # The last one takes all that is left.
        yield _to_backend(context, chain, backend, *([rules.probability(left)] if left > 1 else []))


def _to_backend(context: _Context, chain: str, backend: services.Endpoint, *matches: str) -> rules.Rule:
    why = () if context.brief else (rules.comment(f"{context.port.id} -> {backend.address}"),)
    return rules.Rule(
        table="nat", chain=chain, matches=(*why, *matches), target=names.endpoint_chain(context.port, backend)
    )


def _endpoint(context: _Context, endpoint: services.Endpoint) -> Iterator[rules.Rule]:
    chain = names.endpoint_chain(context.port, endpoint)
    why = () if context.brief else (rules.comment(context.port.id),)
    # A pod that reaches itself through its own service must see the answer come back from the node.
    yield rules.Rule(table="nat", chain=chain, source=endpoint.ip, matches=why, target=names.MARK_MASQ)
    affinity = () if context.port.affinity_s is None else (rules.remember_source(chain),)
    yield rules.Rule(
        table="nat",
        chain=chain,
        protocol=context.protocol,
        matches=(*why, *affinity, rules.port_match(context.protocol)),
        target=f"DNAT --to-destination {endpoint.address}",
    )
