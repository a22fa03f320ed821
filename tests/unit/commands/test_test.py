"""``sourceip test`` hands everything to pytest."""

from __future__ import annotations

import argparse

import pytest

from harness.commands import test as command


@pytest.mark.parametrize(
    "words", [[], ["-m", "ebpf"], ["tests/unit", "-x"], ["--help"], ["-k", "not slow", "--samples=3"]]
)
def test_every_word_is_pytests(words: list[str]) -> None:
    """Options are not taken by the command's own parser, wherever they stand."""
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    assert parser.parse_args(words).pytest_arguments == words


def test_the_exit_code_is_pytests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever pytest says, a script can rely on."""
    asked: list[list[str]] = []

    def answer(words: list[str]) -> pytest.ExitCode:
        asked.append(words)
        return pytest.ExitCode.NO_TESTS_COLLECTED

    monkeypatch.setattr(pytest, "main", answer)
    monkeypatch.chdir(".")
    assert command.run(argparse.Namespace(pytest_arguments=["-q"])) == 5
    assert asked == [["--cluster=lab", "-q"]]


@pytest.mark.parametrize("words", [["--cluster", "kind"], ["-q", "--cluster=existing"]])
def test_a_cluster_that_is_named_is_the_one(words: list[str]) -> None:
    """Without one it is the lab, also on a machine that could have a kind cluster."""
    assert command.on_the_lab(words) == words
    assert command.on_the_lab(["--cluster-name", "x"]) == ["--cluster=lab", "--cluster-name", "x"]
