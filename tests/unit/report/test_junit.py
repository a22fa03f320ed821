"""JUnit: what every CI reads has every figure, and the counts and names that the usual schema wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from harness.model import records
from harness.report import junit
from tests import builders, sample_runs

RUNS = [sample_runs.red, sample_runs.invalid, sample_runs.interrupted]
ALLOWED = {
    "testsuites": {"name", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message"},
    "error": {"message"},
    "skipped": {"message"},
    "system-out": set(),
    "properties": set(),
    "property": {"name", "value"},
}


def document(record: records.RunRecord) -> ElementTree.Element:
    """The parsed document."""
    return ElementTree.fromstring(junit.render(record))


def case(root: ElementTree.Element, classname: str, name: str) -> ElementTree.Element:
    """The one case of that name."""
    [found] = [item for item in root.iter("testcase") if (item.get("classname"), item.get("name")) == (classname, name)]
    return found


@pytest.mark.parametrize("made", RUNS)
def test_it_keeps_the_usual_schema(made: Callable[[], records.RunRecord]) -> None:
    """Elements, attributes, their order and the form of times are those that CI systems accept."""
    root = document(made())
    for element in root.iter():
        assert set(element.keys()) <= ALLOWED[element.tag], element.tag
    for suite in root.iter("testsuite"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        assert [item.tag for item in suite if item.tag != "testcase"] in ([], ["properties"])
    for item in root.iter("testcase"):
        tags = [child.tag for child in item]
        assert tags == sorted(tags, key=["properties", "skipped", "error", "failure", "system-out"].index)
        assert len({"skipped", "error", "failure"} & set(tags)) <= 1


@pytest.mark.parametrize("made", RUNS)
def test_its_counts_are_right(made: Callable[[], records.RunRecord]) -> None:
    """Of each suite and of the whole."""
    root = document(made())
    for suite in root.iter("testsuite"):
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.attrib[name]) == len(suite.findall(f"testcase/{tag}"))
    for name in ("tests", "failures", "errors"):
        assert int(root.attrib[name]) == sum(int(suite.attrib[name]) for suite in root.iter("testsuite"))


@pytest.mark.parametrize("made", RUNS)
def test_no_two_cases_have_one_name(made: Callable[[], records.RunRecord]) -> None:
    """So that a CI's history follows each of them."""
    names = [(item.get("classname"), item.get("name")) for item in document(made()).iter("testcase")]
    assert len(names) == len(set(names))


def test_every_figure_of_a_cell_is_a_property() -> None:
    """Expected, seen, k of N, who saw it, who rewrote it, what confirms it and how long it took."""
    root = document(sample_runs.red())
    name = "ebpf: external/without/NodePort-Cluster/TCP/pod through kind-control-plane"
    found = {item.get("name"): item.get("value") for item in case(root, "sourceip.ebpf", name).iter("property")}
    rewrites = [found.pop(f"rewrite.{number}") or "" for number in (1, 2)]
    assert "program from_wire" in rewrites[0]
    assert "KUBE-POSTROUTING rule 3" in rewrites[1]
    assert found == {
        "outcome": "FAIL",
        "expected": "172.18.0.5 client",
        "confirmed": "recorded",
        "because": "only the destination is translated",
        "seen": "172.18.0.2 entry-node",
        "right": "0 of 20",
        "latency_ms": "median 4.750, longest 5.875",
        "witnesses": "application, wire and kernel agree",
    }


def test_a_control_that_misbehaved_is_an_error_of_its_own() -> None:
    """And one that held is a case that passed."""
    root = document(sample_runs.invalid())
    broken = case(root, "sourceip.iptables", "control positive").find("error")
    assert broken is not None
    assert "shows 172.18.0.1" in broken.attrib["message"]
    assert case(root, "sourceip.ebpf", "control positive").find("error") is None


def test_the_environment_has_cases_of_its_own() -> None:
    """What blocks is an error; the rest is said and counted."""
    root = document(sample_runs.invalid())
    assert case(root, "sourceip.run", "environment docker masquerade, the client's path").find("error") is not None
    other = case(root, "sourceip.run", "environment rp_filter, kind-worker")
    assert other.find("error") is None
    assert "rp_filter is 1" in str(other.findtext("system-out"))


def test_an_interrupted_run_has_an_error_for_its_end_and_for_each_phase_that_never_ran() -> None:
    """It is not green because it is short."""
    root = document(sample_runs.interrupted())
    suite = root.findall("testsuite")[-1]
    assert suite.get("errors") == "3"
    assert case(root, "sourceip.run", "phase reverted").find("error") is not None


def test_a_green_walk_has_a_case_a_cell_and_no_error() -> None:
    """Six cells, three controls and the phase's own coming into force."""
    root = document(builders.run_record(builders.phase_record()))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("10", "0", "0")
