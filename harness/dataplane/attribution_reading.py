"""What attribution rests on, read from each node through its own calico-node pod: rules, maps and devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.core import errors
from harness.dataplane import agents, attribution_bpf, attribution_ruleset
from harness.dataplane.attribution import Flow
from harness.kube import client

_BPFTOOL = ("bpftool", "-j", "net", "show")


@dataclass(frozen=True, kw_only=True)
class Read:
    """What one node said.

    Attributes:
        rules: Its nat table.
        connections: Its programs' connection map; empty outside of eBPF mode.
        maps: Its NAT map and its devices.
    """

    rules: attribution_ruleset.Ruleset = field(default_factory=dict)
    connections: Mapping[Flow, Flow] = field(default_factory=dict)
    maps: attribution_bpf.Maps = field(default_factory=attribution_bpf.Maps)


def pods(api: client.Client) -> Mapping[str, str]:
    """The calico-node pod of each node; none where the API does not say."""
    try:
        return agents.by_node(api)
    except errors.ApiError:
        return {}


def read_rules(api: client.Client, pod: str) -> attribution_ruleset.Ruleset:
    """A node's nat table with its counters; raises ApiError, CommandError and ParseError."""
    return attribution_ruleset.parse(agents.nat_rules(api, pod))


def read(api: client.Client, pod: str, *, bpf: bool) -> Read:
    """Everything that a node says; raises ApiError, CommandError and ParseError."""
    rules = read_rules(api, pod)
    if not bpf:
        return Read(rules=rules)
    nat, interfaces = (agents.dump(api, pod, name, "dump") for name in ("nat", "ifstate"))
    return Read(
        rules=rules,
        connections=attribution_bpf.connections(agents.dump(api, pod, "conntrack", "dump")),
        maps=attribution_bpf.maps(nat, interfaces, _programs(api, pod)),
    )


def _programs(api: client.Client, pod: str) -> str:
    try:
        return agents.run(api, pod, _BPFTOOL)
    except (errors.ApiError, errors.CommandError):
        # Many nodes have no such tool, and then their programs have no names.
        return ""
