"""``sourceip lab up``: start a lab and leave it running."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from pathlib import Path

from harness.commands import lab_options
from harness.lab import launching, lifecycle, memory, state

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PROJECT = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    lab_options.add_lab(parser)
    parser.add_argument(
        "--workers", type=int, default=2, metavar="N", help="nodes besides the control plane (default: 2)"
    )
    parser.add_argument("--without-yaobank", action="store_true", help="an empty cluster")


def run(args: argparse.Namespace) -> int:
    """Start the lab; 0 when it is ready, 128 and the number if a signal stopped it.

    Raises:
        HarnessError: It did not become ready; nothing of it is left.
    """
    began = time.monotonic()
    interruption = _Interruption()
    try:
        started = lifecycle.start(
            name=args.name,
            workers=args.workers,
            root=lab_options.root_of(args),
            yaobank=not args.without_yaobank,
            say=lambda text: _say(began, text),
            interrupted=interruption.number,
            wakeup=interruption.descriptor,
        )
    except launching.Interrupted as error:
        sys.stderr.write(f"sourceip: {error}; nothing is left of the lab\n")
        return 128 + error.number
    _say(began, f"ready; {memory.pss_kib(started.state.owner.pid) / 1024:.0f} MiB")
    print(f"export KUBECONFIG={shlex.quote(str(started.state.kubeconfig))}")
    print(f'export CLIENT="{client_prefix(started.state)}"')
    return 0


def _say(began: float, text: str) -> None:
    # Progress is not what `eval "$(sourceip lab up)"` should read.
    print(f"[{time.monotonic() - began:5.1f} s] {text}", file=sys.stderr, flush=True)


def client_prefix(lab: state.LabState) -> str:
    """The words that run a command on the external client, for ``$CLIENT cmd``: absolute, and good in any directory."""
    words = [*launcher(), "lab", "client", "--name", lab.name]
    if lab.directory.parent != state.root_from_environment():
        words += ["--state-dir", str(lab.directory.parent)]
    return " ".join((*words, "--"))


def launcher() -> list[str]:
    """How this program is started again from anywhere."""
    for script in (Path(sys.executable).parent / "sourceip", _PROJECT / "sourceip"):
        if os.access(script, os.X_OK) and script.is_file():
            return [str(script)]
    return ["env", f"PYTHONPATH={_PROJECT}", sys.executable, "-P", "-m", "harness.cli"]


class _Interruption:
    """Signals as data: the first is kept, and a pipe becomes readable, so that no code is interrupted half way."""

    def __init__(self) -> None:
        self.descriptor, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._numbers: list[int] = []
        for number in _SIGNALS:
            signal.signal(number, self._note)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def _note(self, number: int, _frame: object) -> None:
        self._numbers.append(number)

    def number(self) -> int | None:
        """The first signal that came, or None."""
        return self._numbers[0] if self._numbers else None
