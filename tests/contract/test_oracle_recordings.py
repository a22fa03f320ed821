"""The oracle's predictions against everything that real clusters showed, address by address."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_address

import pytest

from harness.model import cells, facts, paths, words
from harness.oracle import classes, predictions
from tests.contract import recorded_matrix
from tests.contract.recorded_matrix import Json, Recording

# How many cells and samples each recording has. All must be compared: a number that shrinks is a hole.
COUNTS = {
    "iptables": (378, 1908),
    "nftables": (378, 1908),
    "reverted": (261, 1314),
    "ebpf": (378, 1908),
    "ebpf-noctlb": (345, 1746),
    "ebpf-dsr": (66, 324),
}

# Single samples of cells with an answer that went without one, as (recording, client, service, via, protocol). They
# are not comparable, since no dataplane's rule leaves one connection of six unanswered.
UNANSWERED = {
    ("nftables", "external", "customer", "kind-control-plane", "HTTP"): (2, "seconds after the cluster came up"),
    ("nftables", "pod-w1", "customer", "kind-control-plane", "HTTP"): (1, "seconds after the cluster came up"),
    ("ebpf", "self-echo", "echo", "clusterip", "UDP"): (1, "one of six, cause not established"),
    ("ebpf-noctlb", "self-customer", "echo", "podip", "TCP"): (1, "one of six, cause not established"),
    ("ebpf-noctlb", "pod-w2", "echohost", "kind-worker2", "TCP"): (1, "one of six, cause not established"),
}

ALL = pytest.mark.parametrize("name", sorted(COUNTS))


@ALL
def test_predictions_equal_the_recorded_matrix(name: str) -> None:
    """Every address that a real cluster's server saw is the predicted one, and every silence is the predicted one."""
    recording = recorded_matrix.load(name)
    known = recording.known()
    wrong = []
    compared: Counter[str] = Counter()
    for item in recording.cells:
        path = recording.path(item, known)
        expected = predictions.expect_on(path, recording.dataplane, known)
        compared["cells"] += 1
        for sample in comparable(recording, item):
            compared["samples"] += 1
            if differs(expected, sample):
                wrong.append(f"{path.text}: expected {expected.text}, recorded {sample}")
    assert wrong == []
    left_out = sum(count for key, (count, _) in UNANSWERED.items() if key[0] == name)
    assert (compared["cells"], compared["samples"] + left_out) == COUNTS[name]


def comparable(recording: Recording, item: Json) -> list[Json]:
    """The samples of a cell, without those that are known to have been lost; their number must be the known one."""
    key = (recording.name, item["client"], item["service"], item["via"], item["protocol"])
    lost = UNANSWERED.get(key)
    answered = [sample for sample in item["samples"] if "seen" in sample]
    if lost is None:
        return list(item["samples"])
    assert len(item["samples"]) - len(answered) == lost[0], key
    return answered


def differs(expected: cells.Expectation, sample: Json) -> bool:
    """Whether one recorded sample is not what was expected."""
    if isinstance(expected, cells.NoAnswer):
        return "seen" in sample or expected.how != {silence(sample)}
    return {str(source.address) for source in expected.sources} != {sample.get("seen")}


def silence(sample: Json) -> words.Silence:
    """How a recorded sample stayed without an answer."""
    return recorded_matrix.SILENCES[sample["error"].partition(":")[0]]


@ALL
def test_classes_are_the_owners_that_the_recording_names(name: str) -> None:
    """The class of a predicted address and the owner that the recording names for it are the same party."""
    recording = recorded_matrix.load(name)
    known = recording.known()
    held = 0
    for item in recording.cells:
        path = recording.path(item, known)
        expected = predictions.expect_on(path, recording.dataplane, known)
        for source in expected.sources if isinstance(expected, cells.Answer) else ():
            owner = recording.owner(str(source.address))
            assert owner in parties(source.klass, path, item), f"{path.text}: {source.klass} is {owner}"
            assert classes.classify(source.address, path, known) is not words.AddressClass.UNKNOWN
            held += 1
    assert held > len(recording.cells) // 2


def parties(klass: words.AddressClass, path: paths.Path, item: Json) -> set[str]:
    """The recording's own names for an address of that class."""
    entry = path.entry.name if path.entry else ""
    name = item["client"]
    own = {
        "external": "client",
        "gateway": "gateway",
        "pod": f"pod:{name}",
        "host": f"node:{path.client.node}",
        "self": f"pod:{name.removeprefix('self-')}",
    }[name.partition("-")[0]]
    return {
        words.AddressClass.CLIENT: {own},
        words.AddressClass.ENTRY_NODE: {f"node:{entry}"},
        words.AddressClass.ENTRY_TUNNEL: {f"tunnel:{entry}"},
        words.AddressClass.CLIENT_NODE: {f"node:{path.client.node}"},
        words.AddressClass.CLIENT_TUNNEL: {f"tunnel:{path.client.node}"},
    }[klass]


@ALL
def test_what_is_recorded_is_called_recorded(name: str) -> None:
    """No prediction for a recorded cell rests on less than the recording."""
    recording = recorded_matrix.load(name)
    known = recording.known()
    for item in recording.cells:
        path = recording.path(item, known)
        expected = predictions.expect_on(path, recording.dataplane, known)
        assert expected.confirmed is words.Confirmed.RECORDED, path.text


def test_only_unexplained_rows_are_observed() -> None:
    """What is marked as observed and not as the contract is exactly what finding 6 names."""
    found = set()
    for name in COUNTS:
        recording = recorded_matrix.load(name)
        known = recording.known()
        for item in recording.cells:
            expected = predictions.expect_on(recording.path(item, known), recording.dataplane, known)
            if expected.observed:
                found.add((name, item["service"], item["client"].partition("-")[0], item["protocol"]))
    udp = {("ebpf", "echohost", "host", "UDP"), ("ebpf", "echohost", "host", "UDP-unconnected")}
    without = {("ebpf-noctlb", "echohost", "host", protocol) for protocol in ("TCP", "UDP", "UDP-unconnected")}
    assert found == udp | without


def test_the_original_address_is_predicted() -> None:
    """Through the control plane, iptables mode shows 10.244.82.0, its tunnel address, as in the original."""
    recording = recorded_matrix.load("iptables")
    known = recording.known()
    [item] = [
        item
        for item in recording.cells
        if (item["client"], item["service"], item["via"]) == ("external", "customer", "kind-control-plane")
    ]
    path = recording.path(item, known)
    assert predictions.expect_on(path, words.Dataplane.IPTABLES, known).text == "10.244.82.0 entry-tunnel"
    assert classes.classify(ip_address("10.244.82.0"), path, known) is words.AddressClass.ENTRY_TUNNEL


def test_a_prediction_of_another_dataplane_would_not_pass() -> None:
    """Held against the eBPF recording, the iptables predictions differ in most cells: the comparison can fail."""
    recording = recorded_matrix.load("ebpf")
    known: facts.Facts = recording.known()
    wrong = [
        item
        for item in recording.cells
        if any(
            differs(
                predictions.expect_on(recording.path(item, known), words.Dataplane.IPTABLES, known),
                sample,
            )
            for sample in item["samples"]
        )
    ]
    assert len(wrong) > 200
