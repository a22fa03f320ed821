"""The predicted matrix: for every dataplane every cell is predicted, or said not to be known."""

from __future__ import annotations

import dataclasses

import pytest

from harness.commands import plan
from harness.model import cells, facts_file, matrix, words
from harness.oracle import planning, predictions

KNOWN = facts_file.parse(plan.EXAMPLE.read_text(encoding="utf-8")).facts
EVERY = pytest.mark.parametrize("dataplane", list(words.Dataplane), ids=lambda dataplane: dataplane.value)


@EVERY
def test_every_cell_is_predicted_or_not_known(dataplane: words.Dataplane) -> None:
    """In the matrix's order, each with its place, and with a source that is cited or a reason."""
    found = planning.predict_all(dataplane, KNOWN)
    assert [item.row for item in found] == list(matrix.ROWS)
    for item in found:
        assert item.path is not None, item.reason
        assert (item.expectation is None) is bool(item.reason)
        for because, cited in told(item.expectation):
            assert because, item.row.name
            assert cited, item.row.name


def told(expected: cells.Expectation | None) -> list[tuple[str, str]]:
    """Why, and where that is from, for everything that is expected."""
    if expected is None:
        return []
    if isinstance(expected, cells.NoAnswer):
        return [(expected.because, expected.cited)]
    return [(source.because, source.cited) for source in expected.sources]


@EVERY
def test_every_rule_cites_its_source(dataplane: words.Dataplane) -> None:
    """A rule says in a clause why, and where a reader can check it; none is there twice."""
    book = predictions.BOOKS[dataplane]
    assert book.rules
    assert len({rule.name for rule in book.rules}) == len(book.rules)
    for rule in book.rules:
        assert rule.because.strip(), rule.name
        assert rule.cited.strip(), rule.name


@pytest.mark.parametrize(
    ("dataplane", "known"),
    [
        (words.Dataplane.IPTABLES, 348),
        (words.Dataplane.NFTABLES, 348),
        (words.Dataplane.IPVS, 348),
        (words.Dataplane.BPF, 348),
    ],
)
def test_what_kube_proxy_and_calico_show_is_known_of_every_cell(dataplane: words.Dataplane, known: int) -> None:
    """A book that lost a rule would say "not known" more often."""
    found = planning.predict_all(dataplane, KNOWN)
    assert sum(item.expectation is not None for item in found) == known


@pytest.mark.parametrize("dataplane", [words.Dataplane.VPP, words.Dataplane.HNS])
def test_what_nobody_measured_is_never_called_recorded(dataplane: words.Dataplane) -> None:
    """No recording has VPP or Windows, so the most that a prediction can be is documented."""
    found = [item.expectation for item in planning.predict_all(dataplane, KNOWN) if item.expectation is not None]
    assert found
    assert all(expected.confirmed is not words.Confirmed.RECORDED for expected in found)


def test_a_cell_without_a_place_says_what_is_missing() -> None:
    """It has neither path nor expectation, and its reason names what nobody has."""
    bare = dataclasses.replace(KNOWN, gateway=None)
    row = matrix.row("gateway/with/NodePort-Cluster/HTTP/pod")
    found = planning.predict(row, words.Dataplane.BPF, bare)
    assert found == planning.Prediction(
        row=row, path=None, expectation=None, reason="the gateway's address is not known"
    )


def test_a_cell_without_a_prediction_has_its_path() -> None:
    """Where it would be is known, and why nothing can be said is its reason."""
    unknown = dataclasses.replace(KNOWN, overlay="VXLANCrossSubnet")
    found = planning.predict(
        matrix.row("external/without/NodePort-Cluster/HTTP/pod"), words.Dataplane.IPTABLES, unknown
    )
    assert found.path is not None
    assert found.expectation is None
    assert "VXLANCrossSubnet" in found.reason


def test_the_dataplane_decides() -> None:
    """The same cell of the same cluster, under two dataplanes."""
    row = matrix.row("external/without/NodePort-Cluster/HTTP/pod")
    texts = {
        dataplane: expected.text
        for dataplane in (words.Dataplane.IPTABLES, words.Dataplane.BPF)
        if (expected := planning.predict(row, dataplane, KNOWN).expectation) is not None
    }
    assert texts == {
        words.Dataplane.IPTABLES: "10.244.82.0 entry-tunnel",
        words.Dataplane.BPF: "172.18.0.5 client",
    }
