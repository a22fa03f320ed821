"""Rows that others made known, against what the recordings' README says of them, written down a second time."""

from __future__ import annotations

import pytest

from harness.commands import plan
from harness.model import cells, facts_file, matrix, named, words
from harness.oracle import planning

KNOWN = facts_file.parse(plan.EXAMPLE.read_text(encoding="utf-8")).facts

CLIENT = "172.18.0.5"
# The nodes: where nothing runs and what is dialled as "other node", where the backend runs, and the third.
CP, CP_TUNNEL, CP_POD = "172.18.0.2", "10.244.82.0", "10.244.82.1"
W1, W1_POD = "172.18.0.3", "10.244.162.136"
W2_TUNNEL, W2_POD = "10.244.110.128", "10.244.110.131"
ECHO = "10.244.162.135"

# Each name with the row of the recordings' truth table that it is, and what that row says: iptables, eBPF.
TRUTH = {
    "calico-01": ("pod, on backend node | clusterip", W1_POD, W1_POD),
    "calico-02": ("host-net, on backend node | clusterip", W1, W1),
    "calico-03": ("pod on other node | clusterip", CP_POD, CP_POD),
    "calico-04": ("host-net on other node | clusterip", CP_TUNNEL, CP_TUNNEL),
    "calico-05": ("pod on entry node, = backend node | backend node", W1, W1_POD),
    "calico-06": ("host-net on entry node, = backend node | backend node", W1, W1),
    "calico-07": ("pod elsewhere | backend node", W1, CP_POD),
    "calico-08": ("host-net elsewhere | backend node", W1, CP_TUNNEL),
    "calico-09": ("pod on entry node | other node", CP_TUNNEL, CP_POD),
    "calico-10": ("host-net on entry node | other node", CP_TUNNEL, CP_TUNNEL),
    "calico-11": ("pod elsewhere | other node", CP_TUNNEL, W2_POD),
    "calico-12": ("host-net elsewhere | other node", CP_TUNNEL, W2_TUNNEL),
    "calico-14": ("external | other node", CP_TUNNEL, CLIENT),
    "calico-15": ("external | backend node", W1, CLIENT),
    "k8s-clusterip-same-node": ("pod, on backend node | clusterip", W1_POD, W1_POD),
    "k8s-clusterip-other-node": ("pod on other node | clusterip", CP_POD, CP_POD),
    "k8s-nodeport-with": ("external | backend node", W1, CLIENT),
    "k8s-nodeport-without": ("external | other node", CP_TUNNEL, CLIENT),
    "k8s-nodeport-local-with": ("Local: external | backend node", CLIENT, CLIENT),
    "k8s-nodeport-local-without": ("Local: external | other node", "timeout", "refused"),
    "hairpin-with-tcp": ("backend pod itself | backend node, TCP", W1, ECHO),
    "hairpin-with-udp": ("backend pod itself | backend node, UDP", W1, W1),
    "hairpin-without-tcp": ("backend pod itself | other node, TCP", CP_TUNNEL, ECHO),
    "hairpin-without-udp": ("backend pod itself | other node, UDP", CP_TUNNEL, W1),
    "hairpin-local-with-tcp": ("Local: backend pod itself | backend node, TCP", W1, ECHO),
    "hairpin-local-with-udp": ("Local: backend pod itself | backend node, UDP", W1, W1),
    "hairpin-local-without-tcp": ("Local: backend pod itself | other node, TCP", "timeout", ECHO),
    "hairpin-local-without-udp": ("Local: backend pod itself | other node, UDP", "timeout", W1),
    "hairpin-clusterip-tcp": ("backend pod itself | clusterip, TCP", W1, ECHO),
    "hairpin-clusterip-udp": ("backend pod itself | clusterip, UDP", W1, W1),
    "hairpin-pod-address-tcp": ("backend pod itself | podip, TCP", ECHO, ECHO),
}
# The recordings have no datagrams to a pod's own address.
NOT_RECORDED = {"hairpin-pod-address-udp"}


@pytest.mark.parametrize("name", sorted(TRUTH))
@pytest.mark.parametrize("dataplane", [words.Dataplane.IPTABLES, words.Dataplane.BPF])
def test_named_rows_are_predicted_as_recorded(name: str, dataplane: words.Dataplane) -> None:
    """Address for address what the truth table says, and called recorded."""
    _, iptables, ebpf = TRUTH[name]
    expected = planning.predict(named.row(name), dataplane, KNOWN).expectation
    assert expected is not None
    assert said(expected) == {iptables if dataplane is words.Dataplane.IPTABLES else ebpf}
    assert expected.confirmed is words.Confirmed.RECORDED


def said(expected: cells.Expectation) -> set[str]:
    """The addresses, or the ways of staying silent."""
    if isinstance(expected, cells.NoAnswer):
        return {how.value for how in expected.how}
    return {str(source.address) for source in expected.sources}


def test_every_name_is_held() -> None:
    """No named row is without its line in the truth table, but the one that nobody recorded."""
    assert set(named.NAMES) == set(TRUTH) | NOT_RECORDED
    for name in NOT_RECORDED:
        expected = planning.predict(named.row(name), words.Dataplane.BPF, KNOWN).expectation
        assert expected is not None
        assert expected.confirmed is words.Confirmed.DOCUMENTED


def test_calicos_table_is_whole() -> None:
    """Rows 1 to 15, but row 13, which Calico's own table leaves out too."""
    assert set(named.CALICO) == {f"calico-{number:02}" for number in range(1, 16) if number != 13}
    assert len({named.row(name) for name in named.CALICO}) == 14


def test_a_row_knows_its_names() -> None:
    """A row may be known under several names or none, and its own name leads to it as well."""
    for name, own in named.NAMES.items():
        assert name in named.names_of(matrix.row(own))
        assert named.row(own) == named.row(name)
    assert named.names_of(matrix.row("gateway/with/NodePort-Local/UDP/host")) == ()


def test_a_name_that_nobody_made_known_is_none() -> None:
    """Calico's row 13 among them."""
    for name in ("calico-13", "calico-1", "k8s-", ""):
        with pytest.raises(KeyError):
            named.row(name)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("all", 348),
        ("walkthrough", 4),
        ("calico-12", 1),
        ("calico-*", 14),
        ("external/with/NodePort-Local", 8),
        ("external/*/HTTP/pod", 4),
        ("calico-15, external/with/NodePort-Cluster/TCP/pod,external/with/*", 16),
    ],
)
def test_cells_are_named_by_sets_names_and_patterns(text: str, count: int) -> None:
    """Each row once, in the matrix's order, whoever names it."""
    found = named.rows(text)
    assert len(found) == count
    assert found == tuple(row for row in matrix.ROWS if row in found)


@pytest.mark.parametrize("text", ["external/nowhere", "calico-13", "", "calico-01,", "calico-01,nobody*"])
def test_a_word_that_names_no_cell_is_refused(text: str) -> None:
    """Also if another one beside it names some."""
    with pytest.raises(KeyError):
        named.rows(text)
