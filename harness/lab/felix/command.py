"""The ``calico-node`` command, as far as people and the harness use it inside a calico-node pod.

``-v``, ``-felix-ready``, ``-felix-live``, ``-init``, ``-shutdown``, ``-bpf version`` and
``-bpf nat|conntrack|routes|ifstate dump``, with the words and the exit codes of Calico v3.32.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.core import errors
from harness.lab import plan

USAGE = """Usage of calico-node:
  -bpf
        Run BPF commands: nat dump, conntrack dump, routes dump, ifstate dump, version
  -felix-live
        Run felix liveness checks
  -felix-ready
        Run felix readiness checks
  -init
        Do privileged initialisation of a new node (nothing to do in the lab)
  -shutdown
        Shut down (nothing to do in the lab)
  -v    Display version
"""
_HEALTH_PORT = 9099
_TIMEOUT_S = 5.0
_SILENT = ("-init", "-shutdown", "-best-effort", "-startup", "-complete-startup")

DUMPS = {
    "nat dump": "nat_dump",
    "conntrack dump": "conntrack_dump",
    "routes dump": "routes_dump",
    "ifstate dump": "ifstate_dump",
}
"""What can be dumped, and the function of ``harness.lab.bpf.dumping`` that does it."""

Dump = Callable[[Path], str]


def main(argv: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command; what it prints goes to standard output, and 1 is a command that failed."""
    words = [word.replace("--", "-", 1) if word.startswith("--") else word for word in argv]
    try:
        if words[:1] == ["-bpf"]:
            sys.stdout.write(_bpf(words[1:], environment))
        elif words == ["-v"]:
            sys.stdout.write(f"{plan.CALICO_VERSION}\n")
        elif words in (["-felix-ready"], ["-felix-live"]):
            _ask("/readiness" if words == ["-felix-ready"] else "/liveness")
        elif not words or not set(words) <= set(_SILENT):
            sys.stderr.write(USAGE)
            return 2
    except errors.HarnessError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _bpf(words: Sequence[str], environment: Mapping[str, str]) -> str:
    if list(words) == ["version"]:
        return f"{plan.CALICO_VERSION} (lab reference dataplane)\n"
    name = " ".join(words)
    if name not in DUMPS:
        raise errors.ParseError(f"unknown command {name!r} for calico-node -bpf")
    folder = environment.get("SOURCEIP_BPFFS")
    if not folder:
        raise errors.ParseError("the environment has no SOURCEIP_BPFFS: this is not a calico-node pod")
    if not (Path(folder) / "maps").is_dir():
        raise errors.ParseError(f"{name}: there are no BPF maps; this node is not in eBPF mode")
    return _dump(name)(Path(folder))


def _dump(name: str) -> Dump:
    from harness.lab.bpf import dumping

    found: Dump = getattr(dumping, DUMPS[name])
    return found


def _ask(path: str) -> None:
    # A dump is asked for again and again while a switch is awaited; it does without what only this needs.
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", _HEALTH_PORT, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        reason = answer.read().decode(errors="replace").strip()
    except OSError as error:
        raise errors.ParseError(f"calico/node is not ready: felix is not ready: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise errors.ParseError(f"calico/node is not ready: felix is not ready: {reason}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
