"""The oracle's predictions against what real clusters showed, address by address."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest

from harness.model import cells, facts, words
from harness.oracle import classes, predictions
from tests import recordings

Json = dict[str, Any]
# DSR is a return path of the BPF dataplane, so the same prediction must hold for it.
PHASES = {
    "iptables": words.Phase.IPTABLES,
    "ebpf": words.Phase.EBPF,
    "ebpf-dsr": words.Phase.EBPF,
    "reverted": words.Phase.REVERTED,
}
SILENCES = {"TimeoutError": words.Silence.TIMEOUT, "ConnectionRefusedError": words.Silence.REFUSED}


def recorded_facts(matrix: Json) -> facts.Facts:
    """The recorded cluster: nodes and tunnels from the owners that the recording names."""
    tunnels = {
        owner.removeprefix("tunnel:"): address for address, [owner] in matrix["owner"].items() if "tunnel" in owner
    }
    nodes = tuple(
        facts.Node(name=name, address=ip_address(address), tunnel=ip_address(tunnels[name]))
        for name, address in matrix["nodes"].items()
    )
    return facts.Facts(
        nodes=nodes,
        destinations=tuple(destination(matrix, cell) for cell in external_cells(matrix)[: len(nodes) * 5]),
        client=facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address(matrix["client"])),
        overlay="VXLAN",
        gateway=ip_address(matrix["gateway"]),
    )


def external_cells(matrix: Json) -> list[Json]:
    """The recorded cells of the external client over TCP."""
    return [cell for cell in matrix["cells"] if cell["client"] == "external" and cell["protocol"] in ("HTTP", "TCP")]


def destination(matrix: Json, cell: Json) -> facts.Destination:
    """The destination that a recorded cell dialled."""
    service = cell["service"]
    backend = matrix["backend"][service.removesuffix("-local")]
    pod = facts.Pod(
        namespace="recorded",
        name=service.removesuffix("-local"),
        address=ip_address(backend["ip"]),
        node=backend["node"],
        host_network=service.startswith("echohost"),
    )
    return facts.Destination(
        namespace="recorded",
        service=service,
        node_port=int(cell["dial"].rpartition(":")[2]),
        policy=words.Policy.LOCAL if service.endswith("-local") else words.Policy.CLUSTER,
        protocol=words.Protocol(cell["protocol"]),
        cluster_ip=None,
        backends=(pod,),
    )


def recorded_class(owner: str, cell: cells.Cell) -> words.AddressClass:
    """The recording's own name for an address, in the words of the design."""
    kind, _, name = owner.partition(":")
    if kind == "client":
        return words.AddressClass.CLIENT
    assert name == cell.entry.name, f"{owner} is not the entry node of {cell.name}"
    return {"node": words.AddressClass.ENTRY_NODE, "tunnel": words.AddressClass.ENTRY_TUNNEL}[kind]


@pytest.mark.parametrize("recording", sorted(PHASES))
def test_predictions_equal_the_recorded_matrix(recording: str) -> None:
    """Every address that a real cluster's server saw is the predicted one, with the predicted class, and no other."""
    matrix = json.loads((recordings.path() / "matrix" / f"{recording}.json").read_text())
    known = recorded_facts(matrix)
    recorded = external_cells(matrix)
    assert len(recorded) == 15, "three nodes and five destinations"
    for item in recorded:
        cell = cells.Cell(
            phase=PHASES[recording],
            client=words.ClientKind.EXTERNAL,
            entry=known.node(item["via"]),
            destination=destination(matrix, item),
        )
        hold(predictions.expect(cell, known), item, cell, known)


def hold(expected: cells.Expectation, item: Json, cell: cells.Cell, known: facts.Facts) -> None:
    """One prediction against every sample of one recorded cell."""
    for sample in item["samples"]:
        if isinstance(expected, cells.NoAnswer):
            assert "seen" not in sample, cell.name
            assert expected.how == {SILENCES[sample["error"].partition(":")[0]]}, cell.name
        else:
            assert {str(source.address) for source in expected.sources} == {sample["seen"]}, cell.name
            seen = ip_address(sample["seen"])
            assert classes.classify(seen, cell, known) is expected.sources[0].klass, cell.name
            assert [recorded_class(owner, cell) for owner in item["classes"]] == [expected.sources[0].klass], cell.name


def test_the_original_address_is_predicted() -> None:
    """Through the control plane, iptables mode shows 10.244.82.0, its tunnel address, as in the original."""
    matrix = json.loads((recordings.path() / "matrix" / "iptables.json").read_text())
    known = recorded_facts(matrix)
    planned = predictions.plan(words.Phase.IPTABLES, known)
    expected = {cell.entry.name: what for cell, what in planned if cell.destination.service == "customer"}
    assert expected["kind-control-plane"].text == "10.244.82.0 entry-tunnel"
