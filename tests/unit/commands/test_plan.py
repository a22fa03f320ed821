"""``sourceip plan``: the table, one cell, JSON, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.commands import plan
from harness.model import cells, facts_file, matrix, words
from harness.oracle import planning

EXAMPLE: dict[str, Any] = json.loads(plan.EXAMPLE.read_text(encoding="utf-8"))
ORIGINAL = "external/without/NodePort-Cluster/HTTP/pod"
EVERY = pytest.mark.parametrize("dataplane", [item.value for item in words.Dataplane])


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints, when all is well."""
    assert cli.main(["plan", *arguments]) == 0
    return capsys.readouterr().out


def written(folder: Path, **changes: object) -> str:
    """A facts file: the example with some keys replaced."""
    path = folder / "facts.json"
    path.write_text(json.dumps(EXAMPLE | changes))
    return str(path)


@EVERY
def test_the_table_fits_a_terminal_and_has_every_cell(dataplane: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At most 100 columns, and each cell is in exactly one line."""
    lines = printed(capsys, "--dataplane", dataplane).splitlines()
    assert lines[0] == f"predicted for {dataplane}: 348 cells"
    assert max(len(line) for line in lines) <= 100
    counted = [cell for line in lines[4:] for cell in cells_of(line)]
    assert sorted(counted) == sorted(row.name for row in matrix.ROWS)


def cells_of(line: str) -> list[str]:
    """The names of the cells that a line of the table speaks of; none for the rest of a wrapped line."""
    path, *rest = line.split()
    if "/" not in path:
        return []
    backend = next(word for word in rest if word in ("pod", "host"))
    over = rest[: rest.index(backend)]
    spoken = [item.value for item in words.Protocol] if over == ["all"] else over
    return [f"{path}/{protocol.replace('UDPu', 'UDP-unconnected')}/{backend}" for protocol in spoken]


@pytest.mark.parametrize(
    ("dataplane", "line"),
    [
        ("Iptables", "external/without/NodePort-Cluster all pod 10.244.82.0 entry-tunnel recorded"),
        ("Iptables", "external/without/NodePort-Local all pod no answer: timeout recorded"),
        ("BPF", "external/without/NodePort-Cluster all pod 172.18.0.5 client recorded"),
        ("BPF", "external/without/NodePort-Local HTTP TCP UDP pod no answer: refused recorded"),
        ("BPF", "host@other/with/NodePort-Cluster UDP host no answer: timeout observed"),
        ("BPF", "pod@itself/-/pod-address UDP UDPu pod 10.244.162.135 client documented"),
    ],
)
def test_a_line_says_what_is_expected_and_what_stands_behind_it(
    dataplane: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Address and class, or which silence; recorded, documented, unconfirmed or merely observed."""
    assert line in [" ".join(found.split()) for found in printed(capsys, "--dataplane", dataplane).splitlines()]


def test_the_facts_own_dataplane_is_predicted_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless another one is asked for."""
    facts = written(tmp_path, dataplane="BPF")
    assert printed(capsys, "--facts", facts).startswith("predicted for BPF:")
    assert printed(capsys, "--facts", facts, "--dataplane", "IPVS").startswith("predicted for IPVS:")


def test_what_has_no_place_is_counted_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cluster that cannot carry a cell says so below the table; nothing is left out silently."""
    shown = printed(capsys, "--facts", written(tmp_path, gateway=""))
    assert "32 cells have no place in these facts:\n   32 x the gateway's address is not known\n" in shown
    assert "\ngateway" not in shown


def test_what_is_not_known_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An overlay whose addresses the facts cannot tell: in the table, and with the reason for the one cell."""
    facts = written(tmp_path, overlay="VXLANCrossSubnet")
    table = [" ".join(line.split()) for line in printed(capsys, "--facts", facts).splitlines()]
    assert "external/without/NodePort-Cluster all pod not known -" in table
    assert "not known    external 172.18.0.5" in printed(capsys, "--facts", facts, "--cell", ORIGINAL)


@pytest.mark.parametrize("name", ["calico-14", "external/without/NodePort-Cluster/TCP/pod"])
def test_one_cell_is_told_whole(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By its own name or by another's: its path, what is expected, why, and where that is from."""
    shown = printed(capsys, "--cell", name)
    assert shown.startswith("external/without/NodePort-Cluster/TCP/pod under Iptables\n")
    for part in (
        "also called  calico-14\n",
        "path         external 172.18.0.5 -> kind-control-plane:30200 (echo, Cluster, TCP)\n",
        "expected     10.244.82.0 entry-tunnel\n",
        "confirmed    recorded\n",
        "because      masqueraded",
        "source       kube-proxy iptables/proxier.go",
    ):
        assert part in shown


def test_one_silent_cell_is_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """Which silence, why, and where that is from."""
    shown = printed(capsys, "--cell", "k8s-nodeport-local-without", "--dataplane", "BPF")
    assert "expected     no answer: refused\n" in shown
    assert "because  " in shown
    assert "source  " in shown


@EVERY
def test_the_json_has_every_cell(dataplane: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A versioned document whose cells say the same as the oracle, by address."""
    said = json.loads(printed(capsys, "--json", "--dataplane", dataplane))
    assert (said["schema"], said["version"], said["dataplane"]) == ("sourceip/plan", 1, dataplane)
    known = facts_file.parse(plan.EXAMPLE.read_text(encoding="utf-8")).facts
    found = planning.predict_all(words.Dataplane(dataplane), known)
    assert [cell["name"] for cell in said["cells"]] == [row.name for row in matrix.ROWS]
    for cell, item in zip(said["cells"], found, strict=True):
        assert cell["reason"] == item.reason
        assert addresses(cell["expectation"]) == expected(item.expectation)


def addresses(said: dict[str, Any] | None) -> Sequence[str] | None:
    """What a cell of the document expects."""
    if said is None:
        return None
    return [source["address"] for source in said["sources"]] if "sources" in said else said["silence"]


def expected(found: cells.Expectation | None) -> Sequence[str] | None:
    """What the oracle expects."""
    if found is None:
        return None
    if isinstance(found, cells.NoAnswer):
        return sorted(how.value for how in found.how)
    return [str(source.address) for source in found.sources]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting property name"),
        (json.dumps(EXAMPLE | {"version": 2}), "version is 2, and this program reads 1"),
        (json.dumps(EXAMPLE | {"nodes": 1}), "nodes must be a list"),
    ],
)
def test_a_bad_facts_file_is_one_line(text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The option, the file and what is wrong with it; exit code 2 and nothing printed."""
    path = tmp_path / "facts.json"
    path.write_text(text)
    refused(capsys, ["--facts", str(path)], f"sourceip: --facts: {path}: {says}")


def test_an_unreadable_facts_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not there, is a directory, or is no text."""
    refused(capsys, ["--facts", str(tmp_path / "none")], "sourceip: --facts: [Errno 2] No such file")
    refused(capsys, ["--facts", str(tmp_path)], "sourceip: --facts: [Errno 21] Is a directory")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    refused(capsys, ["--facts", str(tmp_path / "bytes")], "sourceip: --facts: 'utf-8' codec")


@pytest.mark.parametrize("name", ["calico-13", "external", "", "external/without/NodePort-Cluster/HTTP/pod "])
def test_an_unknown_cell_is_one_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name, and where to find the names that there are."""
    refused(capsys, ["--cell", name], f"sourceip: --cell: no cell {name!r}; sourceip plan lists them")


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    """The command ends with 2, prints nothing, and says this in one line."""
    assert cli.main(["plan", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(says), shown.err
    assert shown.err.count("\n") == 1


def test_the_help_teaches_the_names(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every part of a cell's name is explained, within 100 columns, and the example is a file that exists."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        cli.main(["plan", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 100
    for part in ("CLIENT", "PLACE", "ENTRY", "TARGET", "PROTOCOL", "BACKEND"):
        assert any(line.startswith(f"  {part} ") for line in lines)
    assert (Path(cli.__file__).parent.parent / lines[-1].strip()).is_file()
