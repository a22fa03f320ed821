"""Calico's iptables chains, as far as the lab has what they are for. Pure.

A rule stands here in ``iptables-save``'s own words. Rules with a ``cali:`` comment are the recorded ones
(``nodes/iptables/NODE/iptables-save.txt``), hash included. Where the real felix matches an ipset, the lab matches
the addresses themselves, and the rule has no such comment. The lab has no network policy, so the chains that
would hold one per pod are reduced to what they decide without any: accept.

In eBPF mode the kernel's connection tracking sees only parts of a translated connection, so the rules that ask it
(``ESTABLISHED``, ``INVALID``) are left out there, as the real felix does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.lab.felix import cluster, flows, overlay, saved

ACCEPT_MARK = "0x10000/0x10000"
BYPASS_MARK = "0x3000000/0x3000000"
UNTRACKED_MARK = "0x3500000/0x3500000"
PREFIX = "cali-"


@dataclass(frozen=True, kw_only=True)
class Jump:
    """A rule of Calico's in one of the kernel's own chains.

    Attributes:
        chain: The chain.
        rule: The rule without ``-A CHAIN``.
        first: It goes before what others put there; else after.
    """

    chain: str
    rule: str
    first: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: the jumps into Calico's chains, and the chains with their rules in order."""

    name: str
    jumps: tuple[Jump, ...]
    chains: Mapping[str, tuple[str, ...]]


def wanted(state: cluster.Cluster, *, bpf: bool) -> tuple[Table, ...]:
    """The tables of this cluster in iptables mode, or in eBPF mode."""
    return (_raw(state.settings.vxlan_port, bpf=bpf), _filter(bpf=bpf), _nat(state.pools, bpf=bpf))


def render(tables: Iterable[Table], present: Mapping[str, saved.Table]) -> str:
    """Text for ``iptables-restore --noflush`` that makes Calico's chains as wanted, whatever was in them before."""
    return "".join(_render(table, present.get(table.name, saved.EMPTY)) for table in tables)


def own_part(present: Mapping[str, saved.Table]) -> tuple[str, ...]:
    """What of these tables is Calico's: two equal parts mean that nothing has touched it."""
    return tuple(
        f"{name} {chain} {rule}"
        for name, table in sorted(present.items())
        for chain, rules in table.chains.items()
        for rule in rules
        if chain.startswith(PREFIX) or "cali:" in rule
    )


def _render(table: Table, present: saved.Table) -> str:
    stale = [chain for chain in present.chains if chain.startswith(PREFIX) and chain not in table.chains]
    lines = [
        f"*{table.name}",
        *(f":{chain} - [0:0]" for chain in (*table.chains, *stale)),
        *(f"-A {chain} {rule}" for chain, rules in table.chains.items() for rule in rules),
        *(_jump(jump) for jump in table.jumps if jump.rule not in present.chains.get(jump.chain, ())),
        *(f"-X {chain}" for chain in stale),
        "COMMIT",
    ]
    return "\n".join(lines) + "\n"


def _jump(jump: Jump) -> str:
    return f"-I {jump.chain} 1 {jump.rule}" if jump.first else f"-A {jump.chain} {jump.rule}"


def _cali(identifier: str) -> str:
    return f'-m comment --comment "cali:{identifier}"'


def _raw(port: int, *, bpf: bool) -> Table:
    # The outer packets of the overlay are not connections; tracking them would only cost.
    untracked = f"-m udp --dport {port} -j NOTRACK"
    # Where the programs translate both a question and its answer before the stack sees them, its connection table
    # would only know the question; and where an older connection has that tuple, it would change the source port.
    # It comes first, since the next rule takes a part of the mark away.
    translated = (f"-m mark --mark {UNTRACKED_MARK} -j NOTRACK",) if bpf else ()
    return Table(
        name="raw",
        jumps=(
            Jump(chain="PREROUTING", rule=f"{_cali('6gwbT8clXdHdC1b1')} -j cali-PREROUTING"),
            Jump(chain="OUTPUT", rule=f"{_cali('tVnHkvAo15HuiPy0')} -j cali-OUTPUT"),
        ),
        chains={
            "cali-OUTPUT": (
                f"{_cali('clI8WObfCl4yhr60')} -j MARK --set-xmark 0x0/0x1b0000",
                f"-p udp {_cali('ry5_UEpt1OaPPCxO')} {untracked}",
            ),
            "cali-PREROUTING": (
                *translated,
                f"{_cali('DQ6LK2guiBRMyrLK')} -j MARK --set-xmark 0x0/0x1b0000",
                f"-p udp {_cali('sIsu2aAqNN6K3YYn')} {untracked}",
            ),
        },
    )


def _filter(*, bpf: bool) -> Table:
    retired = f"-m connmark --mark {flows.MARK:#x}/{flows.MARK:#x} -j DROP"
    tracked = (
        "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "-m conntrack --ctstate INVALID -j DROP",
    )
    dispatch = (*(() if bpf else tracked), f"-j MARK --set-xmark {ACCEPT_MARK}")
    accepted = '-m comment --comment "Policy explicitly accepted packet."'
    return Table(
        name="filter",
        jumps=(
            Jump(chain="FORWARD", rule=f"{_cali('wUHhoiAYhphO9Mso')} -j cali-FORWARD"),
            Jump(chain="OUTPUT", rule=f"{_cali('tVnHkvAo15HuiPy0')} -j cali-OUTPUT"),
            Jump(
                chain="FORWARD",
                rule=f"{_cali('S93hcgKJrXEqnTfs')} {accepted} -m mark --mark {ACCEPT_MARK} -j ACCEPT",
                first=False,
            ),
        ),
        chains={
            "cali-FORWARD": (
                *(() if bpf else (retired,)),
                f"{_cali('W_vvds1Nw3n9QE2f')} -j MARK --set-xmark 0x0/0x1a0000",
                f"-i cali+ {_cali('tAzwBLPaV-j53OOZ')} -j cali-from-wl-dispatch",
                f"-o cali+ {_cali('4Z0Pf0byo05NFe-P')} -j cali-to-wl-dispatch",
            ),
            "cali-OUTPUT": () if bpf else (retired,),
            "cali-from-wl-dispatch": dispatch,
            "cali-to-wl-dispatch": dispatch,
        },
    )


def _nat(pools: Iterable[cluster.Pool], *, bpf: bool) -> Table:
    # What a program has dealt with leaves as it is.
    bypass = (f"-m mark --mark {BYPASS_MARK} -j RETURN",) if bpf else ()
    return Table(
        name="nat",
        jumps=(Jump(chain="POSTROUTING", rule=f"{_cali('0i8pjzKKPyA34aQD')} -j cali-POSTROUTING", first=False),),
        chains={
            "cali-POSTROUTING": (
                *bypass,
                f"{_cali('nYKhEzDlr11Jccal')} -j cali-nat-outgoing",
                # What the node itself sends into the tunnel with another of its addresses could not be answered.
                f"-o {overlay.DEVICE} {_cali('e9dnSgSVNmIcpVhP')} -m addrtype ! --src-type LOCAL --limit-iface-out"
                " -m addrtype --src-type LOCAL -j MASQUERADE --random-fully",
            ),
            "cali-nat-outgoing": tuple(_outgoing(tuple(pools))),
        },
    )


def _outgoing(pools: tuple[cluster.Pool, ...]) -> Iterable[str]:
    sources = [pool.cidr for pool in pools if pool.nat_outgoing]
    if len(pools) == 1:
        yield from (f"-s {cidr} ! -d {cidr} -j MASQUERADE --random-fully" for cidr in sources)
        return
    yield from (f"-d {pool.cidr} -j RETURN" for pool in pools)
    yield from (f"-s {cidr} -j MASQUERADE --random-fully" for cidr in sources)
