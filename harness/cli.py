"""The command line: ``sourceip COMMAND …``. The table of commands is all that is loaded until one is chosen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command: the module that has it, and one line about it.

    The module has ``add_arguments(parser)`` and ``run(args) -> int``, the exit code.
    """

    module: str
    summary: str


COMMANDS = {
    ("verify",): Command(module="harness.commands.verify", summary="the whole story: iptables, eBPF, iptables again"),
    ("plan",): Command(
        module="harness.commands.plan", summary="print which address every cell must show, without a cluster"
    ),
    ("selftest",): Command(
        module="harness.commands.selftest", summary="try to fool the harness; fails if one mutation survives"
    ),
    ("report",): Command(module="harness.commands.report", summary="show a run again, and make its other reports"),
    ("diff",): Command(module="harness.commands.diff", summary="show what changed between two runs"),
    ("test",): Command(module="harness.commands.test", summary="run the project's tests; arguments go to pytest"),
    ("clean",): Command(
        module="harness.commands.clean", summary="remove what runs have left on a cluster that is not theirs"
    ),
    ("doctor",): Command(module="harness.commands.doctor", summary="show what this machine has and lacks"),
    ("lab", "up"): Command(module="harness.commands.lab_up", summary="start a lab"),
    ("lab", "down"): Command(module="harness.commands.lab_down", summary="end a lab and remove what is left of it"),
    ("lab", "status"): Command(module="harness.commands.lab_status", summary="show the labs of this machine"),
    ("lab", "kubeconfig"): Command(module="harness.commands.lab_kubeconfig", summary="print a lab's kubeconfig"),
    ("lab", "client"): Command(module="harness.commands.lab_client", summary="run a command on the external client"),
    ("lab", "node"): Command(module="harness.commands.lab_node", summary="run a command on a node"),
    ("lab", "rules"): Command(
        module="harness.commands.lab_rules", summary="print the rules kube-proxy writes for given objects"
    ),
}

USAGE_ERROR = 2
INTERRUPTED = 130
TERMINATED = 143


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. A usage error is one line and 2, and no failure is a traceback."""
    words = tuple(sys.argv[1:] if arguments is None else arguments)
    name = next((key for key in COMMANDS if words[: len(key)] == key), None)
    if name is None:
        return _without_command(words)
    try:
        return _run(name, words[len(name) :])
    except KeyboardInterrupt as error:
        return TERMINATED if "SIGTERM" in error.args else INTERRUPTED


def _run(name: tuple[str, ...], words: Sequence[str]) -> int:
    import argparse
    import importlib

    from harness.core import errors

    class Parser(argparse.ArgumentParser):
        """A parser that refuses in one line, as every other refusal of this program is."""

        def error(self, message: str) -> NoReturn:
            print(f"sourceip: {message}; {self.prog} --help says more", file=sys.stderr)
            raise SystemExit(USAGE_ERROR)

    command = importlib.import_module(COMMANDS[name].module)
    parser = Parser(prog=f"sourceip {' '.join(name)}", description=COMMANDS[name].summary)
    command.add_arguments(parser)
    try:
        code: int = command.run(parser.parse_args(words))
    except (errors.UsageError, errors.CapabilityMissing) as error:
        return _complain(error, USAGE_ERROR)
    except BrokenPipeError:
        # The reader of our output has left, as `head` does.
        return 1
    except (errors.HarnessError, OSError) as error:
        return _complain(error, 1)
    return code


def _complain(error: Exception, code: int) -> int:
    print(f"sourceip: {' '.join(str(error).split())}", file=sys.stderr)
    return code


def _without_command(words: Sequence[str]) -> int:
    asked = not words or words[-1] in ("-h", "--help")
    group = [word for word in words if not word.startswith("-")]
    known = [key for key in COMMANDS if list(key[: len(group)]) == group]
    if not asked or not known:
        print(f"sourceip: no command {' '.join(words)!r}; sourceip --help lists them", file=sys.stderr)
        return USAGE_ERROR
    width = max(len(" ".join(key)) for key in known)
    print("usage: sourceip COMMAND [OPTIONS]\n")
    for key in known:
        print(f"  {' '.join(key):{width}}  {COMMANDS[key].summary}")
    print("\nsourceip COMMAND --help describes a command.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
