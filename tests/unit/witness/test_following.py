"""A sample's way through the nodes' tables, and the account at its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from ipaddress import ip_address

from harness.dataplane.attribution import Flow
from harness.model import cells, facts, words
from harness.witness import following
from harness.witness.witnesses import Question
from tests import builders

CP, W1, W2 = (node.name for node in builders.NODES)
POD_CLIENT = facts.Client(kind=words.ClientKind.POD, address=ip_address("10.244.110.131"), node=W2, pod="echo/pod-w2")


def flow(text: str, protocol: str = "TCP") -> Flow:
    """A flow from ``address:port > address:port``."""
    (source, source_port), (destination, port) = (end.strip().split(":") for end in text.split(">"))
    return Flow(
        protocol=protocol,
        source=ip_address(source),
        source_port=int(source_port),
        destination=ip_address(destination),
        port=int(port),
    )


def table(*lines: tuple[str, str]) -> dict[Flow, Flow]:
    """A table from how flows came and as what they went on."""
    return {flow(came): flow(went) for came, went in lines}


def asked(cell: cells.Cell | None = None, *, local: str = "172.18.0.5:40000", peer: str = "") -> Question:
    """An answered sample of customer's cell through the control plane."""
    where = cell or builders.cell()
    address, port = local.split(":")
    other = peer.split(":") if peer else None
    reply = cells.Reply(
        status=200,
        silence=None,
        local=(ip_address(address), int(port)),
        peer=(ip_address(other[0]), int(other[1])) if other else None,
    )
    return Question(cell=where, token="t", reply=reply)


def from_pod(cell: cells.Cell) -> cells.Cell:
    """The same cell with a pod on kind-worker2 as its client."""
    return dataclasses.replace(cell, path=dataclasses.replace(cell.path, client=POD_CLIENT))


def followed(question: Question, tables: Mapping[str, following.Table]) -> following.Way:
    """The way through the kernel's own tables."""
    return following.follow(question, tables, following.owners_in(builders.known(), [question.cell]))


def by_maps(question: Question, maps: Mapping[str, following.Table]) -> following.Way:
    """The way through the programs' maps."""
    return following.follow_bpf(question, maps, following.owners_in(builders.known(), [question.cell]))


MASQUERADED = ("172.18.0.5:40000 > 172.18.0.2:30180", "10.244.82.0:51111 > 10.244.162.134:80")
ARRIVED = ("10.244.82.0:51111 > 10.244.162.134:80", "10.244.82.0:51111 > 10.244.162.134:80")


def test_a_way_goes_on_where_its_translation_leads() -> None:
    """Entry node, then backend's node; the account is the source in the last entry."""
    way = followed(asked(), {CP: table(MASQUERADED), W1: table(ARRIVED)})
    assert [hop.node for hop in way.hops] == [CP, W1]
    account = following.account(way, builders.cell())
    assert account is not None
    assert (str(account.address), account.port, account.backend) == (
        "10.244.82.0",
        51111,
        "yaobank-customer/customer-1",
    )
    assert account.witness is words.Witness.KERNEL


def test_an_entry_that_is_gone_ends_the_way_without_an_account() -> None:
    """What is still remembered is told, and the source at the backend is not guessed from it."""
    way = followed(asked(), {CP: table(MASQUERADED), W1: {}})
    assert [hop.node for hop in way.hops] == [CP]
    assert not way.whole
    assert following.account(way, builders.cell()) is None
    assert followed(asked(), {}).hops == ()


def test_a_pods_way_begins_on_its_own_node() -> None:
    """A pod that dials another node is masqueraded by its own first, then by the one that it dialled."""
    tables = {
        W2: table(("10.244.110.131:7 > 172.18.0.2:30180", "172.18.0.4:8 > 172.18.0.2:30180")),
        CP: table(("172.18.0.4:8 > 172.18.0.2:30180", "10.244.82.0:51111 > 10.244.162.134:80")),
        W1: table(ARRIVED),
    }
    way = followed(asked(from_pod(builders.cell()), local="10.244.110.131:7"), tables)
    assert [hop.node for hop in way.hops] == [W2, CP, W1]
    assert [hop.local for hop in way.hops] == [False] * 3
    assert following.account(way, builders.cell()) is not None


def test_a_node_that_keeps_what_it_was_sent_is_no_backend() -> None:
    """A port that nothing translates ends at the node; that is no account of a pod."""
    way = followed(asked(), {CP: table((MASQUERADED[0], MASQUERADED[0]))})
    assert way.whole
    assert following.account(way, builders.cell()) is None


def test_a_way_in_a_circle_ends() -> None:
    """Tables that send a flow round and round end nobody's run."""
    tables = {
        CP: table((MASQUERADED[0], "172.18.0.5:40000 > 172.18.0.3:30180")),
        W1: table(("172.18.0.5:40000 > 172.18.0.3:30180", MASQUERADED[0])),
    }
    assert not followed(asked(), tables).whole


def test_a_socket_without_an_address_is_its_clients() -> None:
    """A datagram socket that is not connected has a port only; one that was never opened has no flow."""
    sent = following.sent(asked(local="0.0.0.0:40000"))
    assert sent is not None
    assert sent.text == "172.18.0.5:40000 -> 172.18.0.2:30180"
    never = dataclasses.replace(asked(), reply=cells.Reply(status=None, silence=words.Silence.REFUSED))
    assert following.sent(never) is None
    assert followed(never, {CP: table(MASQUERADED)}).hops == ()


def test_a_socket_that_was_connected_elsewhere_says_so() -> None:
    """Connect-time load balancing is a change of the destination before anything was sent."""
    hop = following.connected(asked(from_pod(builders.cell()), local="10.244.110.131:7", peer="10.244.162.134:80"))
    assert hop is not None
    assert (hop.node, hop.before.port, hop.after.port) == (W2, 30180, 80)
    assert following.connected(asked(peer="172.18.0.2:30180")) is None


def test_a_program_on_the_backends_node_translates_what_was_handed_over() -> None:
    """The entry node remembers it too, and does not do it."""
    entry = ("172.18.0.5:40000 > 172.18.0.2:30180", "172.18.0.5:40000 > 10.244.162.134:80")
    way = by_maps(asked(), {CP: table(entry), W1: table(entry)})
    assert [hop.node for hop in way.hops] == [W1]
    account = following.account(way, builders.cell())
    assert account is not None
    assert account.address == builders.CLIENT
    assert following.account(by_maps(asked(), {CP: table(entry)}), builders.cell()) is None


def test_a_pod_that_reaches_itself_has_no_account_in_the_maps() -> None:
    """Its source is changed on the way, of which the map does not speak."""
    itself = facts.Client(
        kind=words.ClientKind.POD, address=builders.CUSTOMER.address, node=W1, pod="yaobank-customer/customer-1"
    )
    cell = dataclasses.replace(builders.cell(), path=dataclasses.replace(builders.cell().path, client=itself))
    maps = {W1: table(("10.244.162.134:7 > 172.18.0.2:30180", "10.244.162.134:7 > 10.244.162.134:80"))}
    way = by_maps(asked(cell, local="10.244.162.134:7"), maps)
    assert len(way.hops) == 1
    assert following.account(way, cell) is None


def test_a_watchers_lines_are_a_table() -> None:
    """What goes on is the answer turned round."""
    line = ["TCP", ["172.18.0.5", 40000, "172.18.0.2", 30180], ["10.244.162.134", 80, "10.244.82.0", 51111], 398, 0]
    assert following.table_from([line]) == table(MASQUERADED)


def test_an_answer_by_the_only_backend_has_one_way_only() -> None:
    """In eBPF mode, where the Service leaves no choice; in iptables mode the rules of several nodes have a part."""
    cell = builders.cell(phase=words.Phase.EBPF)
    hop = following.only_way(asked(cell))
    assert hop is not None
    assert (hop.node, str(hop.after.destination), hop.after.port) == (W1, "10.244.162.134", 80)
    inside = following.only_way(asked(from_pod(cell), local="10.244.110.131:7"))
    assert inside is not None
    assert inside.node == W2
    assert following.only_way(asked(builders.cell())) is None
    two = builders.with_destination(cell, builders.destination(backends=(builders.CUSTOMER, builders.SUMMARY)))
    assert following.only_way(asked(two)) is None
    silent = dataclasses.replace(asked(cell), reply=builders.silent("t", words.Silence.TIMEOUT).reply)
    assert following.only_way(silent) is None
