"""The command line: one table, one line for what is wrong."""

from __future__ import annotations

import argparse
import importlib
import sys

import pytest

from harness import cli
from harness.core import errors, process


@pytest.mark.parametrize("name", cli.COMMANDS, ids=" ".join)
def test_every_command_is_there(name: tuple[str, ...]) -> None:
    """Each module of the table has what the table promises."""
    module = importlib.import_module(cli.COMMANDS[name].module)
    module.add_arguments(argparse.ArgumentParser())
    assert callable(module.run)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command, and for a group of commands, they are listed with one line each."""
    assert cli.main([]) == 0
    everything = capsys.readouterr().out
    assert cli.main(["lab", "--help"]) == 0
    group = capsys.readouterr().out
    for name, command in cli.COMMANDS.items():
        assert f"  {' '.join(name)} " in everything
        assert (command.summary in group) == (name[0] == "lab")


@pytest.mark.parametrize("words", [["dance"], ["lab", "dance"], ["--colour"], ["lab", "--colour"]])
def test_an_unknown_command_is_one_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and the exit code is 2."""
    assert cli.main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words[-1] in said


class Failing:
    """A command that fails in a given way."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """None."""

    def run(self, args: argparse.Namespace) -> int:
        """Fail."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (errors.UsageError("no such\nthing"), 2, "sourceip: no such thing\n"),
        (errors.CapabilityMissing("root", "not root", "use sudo"), 2, "sourceip: root: not root (use sudo)\n"),
        (errors.HarnessError("it broke"), 1, "sourceip: it broke\n"),
        (PermissionError(13, "Permission denied", "/x"), 1, "sourceip: [Errno 13] Permission denied: '/x'\n"),
        (BrokenPipeError(), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_failures_are_lines(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command raises on purpose is one line and a code, never a traceback."""
    monkeypatch.setitem(sys.modules, "harness.commands.failing", Failing(error))
    monkeypatch.setitem(cli.COMMANDS, ("fail",), cli.Command(module="harness.commands.failing", summary=""))
    assert cli.main(["fail"]) == code
    assert capsys.readouterr().err == says


def test_the_client_prefix_loads_little() -> None:
    """The words before every command of a script load no library but Python's own."""
    script = (
        "import sys; from harness import cli; cli.main(['lab', 'client', '--name', 'nosuch', '--', 'true']); "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    loaded = process.run([sys.executable, "-P", "-c", script]).text.split()
    assert not {"requests", "kubernetes", "yaml", "aiohttp", "trustme"} & set(loaded)
