"""The selftest can fail: a blinded harness lets mutations survive, and an overanxious one raises false alarms."""

from __future__ import annotations

import collections
import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from harness import cli
from harness.model import cells, words
from harness.oracle import accounts, judge
from harness.selftest import catching, changes, evidence, mutations, trial, world
from harness.witness import access_log


def named(name: str) -> mutations.OfEvidence:
    """The mutation of that name."""
    return next(item for item in evidence.MUTATIONS if item.name == name)


def survivors(names: Sequence[str]) -> set[str]:
    """Which of these mutations fool the harness."""
    tried = (trial.try_evidence(named(name), healthy=world.World()) for name in names)
    return {item.mutation.name for item in tried if not item.good}


def nothing(*_args: object) -> None:
    """A check that never finds anything."""


def test_a_judge_that_compares_no_address_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever only an address can show survives a judge that looks at none."""
    monkeypatch.setattr(judge, "_address_fault", nothing)
    asked = ("prefix", "no-snat", "wrong-node", "one-of-twenty", "host-client", "swapped-ebpf")
    assert survivors(asked) == set(asked)


def test_a_judge_that_compares_prefixes_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hole of Kubernetes' own suite is the hole that the first mutation is about."""

    def by_prefix(sample: cells.Sample, expected: cells.Answer) -> str | None:
        seen = str(sample.accounts[0].address)
        right = any(seen.startswith(str(source.address)) for source in expected.sources)
        return None if right else f"saw {seen} instead of {expected.text}"

    monkeypatch.setattr(judge, "_address_fault", by_prefix)
    assert survivors(["prefix", "one-of-twenty"]) == {"prefix"}


def test_witnesses_that_need_not_agree_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the comparison of witnesses a forged body passes."""
    monkeypatch.setattr(accounts, "disagreement", nothing)
    assert survivors(["forged-body", "another-pod", "prefix"]) == {"forged-body", "another-pod"}


def test_an_application_that_need_not_be_reached_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the count of log lines, lost and doubled ones pass."""
    monkeypatch.setattr(accounts, "_application_fault", nothing)
    assert survivors(["lost-line", "doubled-line"]) == {"lost-line", "doubled-line"}


def test_a_run_that_counts_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without accounting a cell that never ran is one in which nothing was wrong."""
    monkeypatch.setattr(judge, "_accounting", lambda *_args: collections.Counter())
    assert survivors(["cell-never-ran", "shortened"]) == {"cell-never-ran", "shortened"}


@pytest.mark.parametrize(
    ("name", "separator"), [("forged-cr", "\r"), ("forged-nel", "\x85"), ("forged-u2028", "\u2028")]
)
def test_a_parser_that_splits_elsewhere_is_found_out(
    name: str, separator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parser that each forgery was made for takes it."""

    def parse(log: bytes) -> tuple[access_log.Line, ...]:
        parts = log.decode(errors="backslashreplace").replace(separator, "\n").split("\n")
        return tuple(line for part in parts if (line := access_log.parse_line(part.encode())) is not None)

    monkeypatch.setattr(access_log, "parse", parse)
    assert survivors([name, "lost-line"]) == {name}


def test_an_overanxious_parser_raises_false_alarms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that takes no coloured line fails a healthy cluster, and that fails the selftest too."""
    original = access_log.parse_line
    monkeypatch.setattr(access_log, "parse_line", lambda raw: None if b"\x1b" in raw else original(raw))
    assert survivors(["colours", "log-order"]) == {"colours"}


def test_a_mutation_that_is_caught_otherwise_survives() -> None:
    """Red is not enough: what names it must be what was to name it, and the run's outcome the right one."""
    prefix = named("prefix")
    assert prefix.catch is not None
    for wanted in (
        mutations.failing("saw 172.18.0.50", mutations.By.CONTROL),
        mutations.invalid("saw 172.18.0.50"),
        mutations.failing("something else"),
    ):
        assert not trial.try_evidence(dataclasses.replace(prefix, catch=wanted), healthy=world.World()).good


def test_a_red_baseline_is_refused() -> None:
    """Mutating what is red already would prove nothing."""
    sick = changes.seeing("10.9.9.9", changes.always)(world.World())
    with pytest.raises(trial.RedBaseline, match="is not green before anything is mutated"):
        list(trial.try_all_evidence([named("prefix")], healthy=sick, tell=nothing))


def test_a_warning_is_no_green() -> None:
    """Whoever reads a warning looks twice, so a harmless change must not cause one."""
    said = catching.Complaint(by=mutations.By.VERDICT, text="warning: it is odd")
    assert not catching.Seen(outcome=words.Outcome.PASS, complaints=(said,)).green


def run(*words_: str) -> int:
    """The exit code of the command."""
    return cli.main(["selftest", *words_])


def test_the_command_passes_and_says_how_many(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, one row a mutation, and the count as the last line."""
    assert run("--no-lab", "--only", "prefix", "--only", "colours") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "SELFTEST PASS: 1 of 1 caught, 1 of 1 harmless ones let be"
    assert "saw 172.18.0.50 instead of 172.18.0.5 client" in " ".join(said.split())


def test_the_command_fails_if_one_survives(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With a blinded judge the exit code is 1, and the survivor is named in full."""
    monkeypatch.setattr(judge, "_address_fault", nothing)
    assert run("--no-lab", "--only", "prefix", "--only", "lost-line") == 1
    said = capsys.readouterr().out
    assert "SURVIVOR prefix: The backend sees 172.18.0.50" in said
    assert said.splitlines()[-1] == "SELFTEST FAIL: 1 of 2 caught"


def test_the_command_fails_on_a_false_alarm(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A harmless change that turns red fails the selftest as a survivor does."""
    original: Callable[[bytes], access_log.Line | None] = access_log.parse_line
    monkeypatch.setattr(access_log, "parse_line", lambda raw: None if b"\x1b" in raw else original(raw))
    assert run("--no-lab", "--only", "colours") == 1
    assert "FALSE ALARM colours" in capsys.readouterr().out


def test_json_is_all_of_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress goes elsewhere, and every mutation is there with what caught it."""
    assert run("--no-lab", "--json", "--only", "lost-line") == 0
    captured = capsys.readouterr()
    said: dict[str, Any] = json.loads(captured.out)
    assert said["passed"] is True
    [item] = said["mutations"]
    assert (item["name"], item["outcome"], item["caught"]["by"]) == ("lost-line", "FAIL", "verdict")
    assert "green" in captured.err


def test_an_unknown_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """One line and exit 2."""
    assert run("--only", "no-such") == 2
    assert capsys.readouterr().err == "sourceip: --only no-such: no such mutation; --list names them\n"


def test_the_list_names_all_and_tries_none(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable at 100 columns."""
    monkeypatch.setattr(trial, "seen_in", nothing)
    assert run("--list") == 0
    said = capsys.readouterr().out
    assert all(item.name in said for item in evidence.MUTATIONS)
    assert max(len(line) for line in said.splitlines()) <= 100


def test_the_table_fits_a_hundred_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row, survivors in full included."""
    run("--no-lab")
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 100
