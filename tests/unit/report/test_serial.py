"""A record as JSON: what is written comes back, and what is not a record is refused in one line."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core import errors
from harness.model import cells, facts, paths, records, words
from harness.report import schema, serial
from tests import builders, sample_runs

Json = dict[str, Any]


def _defined() -> Json:
    found: Json = json.loads(schema.FILE.read_text())
    return found


@pytest.mark.parametrize("made", [sample_runs.red, sample_runs.invalid, sample_runs.interrupted])
def test_what_is_written_is_read_again(made: Callable[[], records.RunRecord], tmp_path: Path) -> None:
    """A file gives back a record equal to the one that was written, whatever became of the run."""
    record = made()
    (tmp_path / "run.json").write_text(serial.render(record))
    assert serial.read(tmp_path / "run.json") == record


# A path holds together by itself: a NodePort has an entry node and nothing else has.
st.register_type_strategy(
    paths.Path,
    st.builds(
        paths.Path,
        client=st.from_type(facts.Client),
        entry=st.from_type(facts.Node),
        destination=st.builds(
            facts.Destination,
            target=st.just(words.Target.NODE_PORT),
            node_port=st.integers(0, 65535),
            port=st.integers(0, 65535),
            target_port=st.integers(0, 65535),
            backends=st.lists(st.from_type(facts.Pod), max_size=2).map(tuple),
        ),
    ),
)
COUNTS = st.integers(0, 10**6)
SECONDS = st.none() | st.floats(0, 1e9)
TEXT = st.text(st.characters(), max_size=20)
ENDPOINTS = st.none() | st.tuples(st.ip_addresses(), st.integers(0, 65535))
EXPECTATIONS = st.builds(
    cells.Answer, sources=st.lists(st.from_type(cells.Source), min_size=1, max_size=2).map(tuple)
) | st.builds(cells.NoAnswer, how=st.frozensets(st.sampled_from(words.Silence), min_size=1))
REPLIES = st.builds(
    cells.Reply, local=ENDPOINTS, peer=ENDPOINTS, saw=ENDPOINTS, sender=ENDPOINTS, latency_ms=st.floats(0, 1e6)
)
SAMPLES = st.builds(
    cells.Sample, token=TEXT, reply=REPLIES, accounts=st.lists(st.from_type(cells.Account), max_size=2).map(tuple)
)
VERDICTS = st.builds(
    cells.Verdict,
    expectation=EXPECTATIONS,
    right=COUNTS,
    total=COUNTS,
    seen=st.dictionaries(TEXT, COUNTS, max_size=2),
    samples=st.lists(SAMPLES, max_size=2).map(tuple),
    watching=st.frozensets(st.sampled_from(words.Witness)),
    witnessed=st.dictionaries(st.sampled_from(words.Witness), COUNTS),
    rewrites=st.lists(st.builds(cells.Rewrite, samples=COUNTS), max_size=2).map(tuple),
)
PHASES = st.builds(
    records.PhaseRecord,
    proof=st.dictionaries(TEXT, TEXT, max_size=2),
    proven_s=SECONDS,
    converged_s=SECONDS,
    verdicts=st.lists(VERDICTS, max_size=2).map(tuple),
    skipped=st.lists(st.from_type(cells.Skipped), max_size=1).map(tuple),
    controls=st.lists(st.from_type(records.Control), max_size=1).map(tuple),
)
RUNS = st.builds(
    records.RunRecord,
    samples=COUNTS,
    phases=st.lists(PHASES, max_size=2).map(tuple),
    timings_s=st.dictionaries(TEXT, st.floats(0, 1e9), max_size=2),
    memory_mib=SECONDS,
    skipped=st.dictionaries(TEXT, TEXT, max_size=2),
    wanted=st.lists(st.sampled_from(words.Phase), max_size=2).map(tuple),
    environment=st.lists(st.from_type(records.Environment), max_size=1).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(RUNS)
def test_every_record_survives_the_way_there_and_back(record: records.RunRecord) -> None:
    """Writing and reading is the identity for every record that the types allow, half surrogates included."""
    assert serial.parse(serial.render(record)) == record


def _fields(kind: type[Any], seen: set[type[Any]]) -> set[type[Any]]:
    """All dataclasses that are part of one."""
    if kind in seen:
        return seen
    seen.add(kind)
    for hint in typing.get_type_hints(kind).values():
        for part in _parts(hint):
            if isinstance(part, type) and dataclasses.is_dataclass(part):
                _fields(part, seen)
    return seen


def _parts(hint: object) -> list[object]:
    return [hint, *(part for argument in typing.get_args(hint) for part in _parts(argument))]


SCHEMA_NAMES = {"RunRecord": "", "PhaseRecord": "phase", "NoAnswer": "noAnswer"}


def test_the_schema_knows_every_field_of_the_model() -> None:
    """A field that the model gains is described before anybody reads it, under its own name."""
    found = _defined()
    kinds = _fields(records.RunRecord, set())
    assert {records.Control, cells.Rewrite, facts.Pod, cells.NoAnswer} < kinds
    for kind in kinds:
        name = SCHEMA_NAMES.get(kind.__name__, kind.__name__.lower())
        described = found["definitions"][name] if name else found
        wanted = {"class" if field.name == "klass" else field.name for field in dataclasses.fields(kind)}
        assert wanted <= set(described["properties"]), f"{kind.__name__}: {wanted - set(described['properties'])}"


def test_the_schema_knows_every_word_of_the_model() -> None:
    """An enumeration in the schema has exactly the values of the model's."""
    found = _defined()["definitions"]
    for name, kind in {
        "phaseName": words.Phase,
        "policy": words.Policy,
        "protocol": words.Protocol,
        "clientKind": words.ClientKind,
        "target": words.Target,
        "silence": words.Silence,
        "confirmed": words.Confirmed,
        "witness": words.Witness,
        "outcome": words.Outcome,
        "class": words.AddressClass,
    }.items():
        assert set(found[name]["enum"]) == {item.value for item in kind}, name
    assert set(found["skipped"]["properties"]["reason"]["enum"]) == {reason.value for reason in words.SkipReason}


def _document() -> Json:
    found: Json = json.loads(serial.render(builders.run_record(builders.phase_record())))
    return found


def _with(change: Callable[[Json], object]) -> str:
    found = _document()
    change(found)
    return json.dumps(found)


def _set(*path: str | int, to: object) -> Callable[[Json], None]:
    def change(found: Json) -> None:
        inner: Any = found
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = to

    return change


VERDICT = ("phases", 0, "verdicts", 0)

DAMAGES = {
    "empty": ("", "no JSON"),
    "cut": (json.dumps({"kind": "sourceip.run"})[:-3], "no JSON"),
    "deep": ("[" * 100_000, "no JSON"),
    "a list": ("[]", "its kind is None"),
    "another kind": ('{"kind": "sourceip/facts"}', "its kind is 'sourceip/facts', not 'sourceip.run'"),
    "old": (_with(_set("version", to=1)), "version 1, and this program reads 2"),
    "new": (_with(_set("version", to=3)), "version 3, and this program reads 2"),
    "no version": (_with(lambda found: found.pop("version")), "version None"),
    "true is not 1": (_with(_set("version", to=True)), "version True"),
    "no phases": (_with(lambda found: found.pop("phases")), "phases"),
    "negative": (_with(_set(*VERDICT, "right", to=-1)), r"phases\[0\].verdicts\[0\].right"),
    "an outcome": (_with(_set(*VERDICT, "outcome", to="GOOD")), r"verdicts\[0\].outcome"),
    "no address": (_with(_set("client", "address", to="172.18.0.999")), "172.18.0.999"),
    "no source": (_with(_set(*VERDICT, "expectation", to={"sources": []})), "expectation"),
    "a place": (_with(_set(*VERDICT, "cell", "path", "entry", to=None)), "NodePort"),
    "NaN": (_with(_set("memory_mib", to=float("nan"))), "NaN is no number"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_no_record_is_a_usage_error(name: str, tmp_path: Path) -> None:
    """Another version, another document or a damaged one gets one clear line with the file's name."""
    text, message = DAMAGES[name]
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(errors.UsageError, match=message) as caught:
        serial.read(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_file_that_is_not_there_or_no_text_is_a_usage_error(tmp_path: Path) -> None:
    """The system's own words are enough."""
    with pytest.raises(errors.UsageError, match="No such file"):
        serial.read(tmp_path / "run.json")
    (tmp_path / "run.json").write_bytes(b"\xff\xfe")
    with pytest.raises(errors.UsageError, match="decode"):
        serial.read(tmp_path / "run.json")


@given(st.data())
def test_a_cut_record_never_passes_for_a_whole_one(data: st.DataObject) -> None:
    """Whatever is lost at a record's end is noticed."""
    text = serial.render(builders.run_record(builders.phase_record()))
    length = data.draw(st.integers(0, len(text) - 3))
    with pytest.raises(errors.ParseError):
        serial.parse(text[:length])


def test_a_record_that_breaks_its_schema_is_never_written() -> None:
    """A count below nothing is found before a reader finds it."""
    wrong = dataclasses.replace(builders.verdict(builders.cell()), right=-1)
    with pytest.raises(errors.ParseError, match="right"):
        serial.render(builders.run_record(builders.phase_record(verdicts=(wrong,))))


def test_a_reader_without_this_project_finds_its_way() -> None:
    """One verdict is one line, with the cell's name, what was dialled and the outcome on it."""
    found = _document()
    assert (found["kind"], found["version"], found["passed"], found["outcome"]) == ("sourceip.run", 2, True, "PASS")
    [phase] = found["phases"]
    assert (phase["outcome"], phase["dataplane"]) == ("PASS", "Iptables")
    first = phase["verdicts"][0]
    assert (first["name"], first["dialled"]) == (builders.cell().name, ["172.18.0.2", 30180])
    assert first["expectation"]["sources"][0]["class"] == "entry-tunnel"
    assert {sample["token"] for sample in first["samples"]} == {"token-0", "token-1"}
    lines = serial.render(builders.run_record(builders.phase_record())).splitlines()
    assert sum('"samples"' in line and '"name"' in line for line in lines) == len(phase["verdicts"])


def test_an_address_of_either_family_comes_back() -> None:
    """Addresses are text in the document and addresses again afterwards."""
    client = facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address("fd00::5"))
    record = dataclasses.replace(builders.run_record(), client=client)
    assert serial.parse(serial.render(record)).client == client
