"""How many samples a second the probe takes through one entry node of a lab without a backend, and at what cost.

A lab of its own in iptables mode, the echo servers of manifests/echo, and the external client: every sample is a fresh
connection with a token of its own from a source port of its own, rewritten twice by the entry node. Each row takes
several times as many samples as the one before, so that the time can be seen to grow with their number. ``client`` and
``server`` are the processor seconds of the two agents for 1,000 samples, ``harness`` those of this process.

It needs root, as every lab does. Run it on an otherwise idle machine:

    python bench/probe_rate.py --samples 2000
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import os
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tabulate

from harness.clusters import lab as provider
from harness.core import errors, timeouts
from harness.kube import client as kube
from harness.kube import manifests, placing
from harness.lab import lifecycle
from harness.model import facts, words
from harness.probing import client as probing
from harness.probing import runners

# The port of the Service with policy Cluster in manifests/echo.
_PORT = 30200
_PROTOCOLS = (words.Protocol.TCP, words.Protocol.UDP, words.Protocol.HTTP)
_TIMES = (1, 2, 4)
_HEAD = ("protocol", "samples", "answered", "seconds", "a second", "client", "server", "harness")


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured on.

    Attributes:
        session: The agent at the external client.
        entry: The address of a node without a backend.
        owner: The lab's process 1, as this machine counts.
    """

    session: probing.Session
    entry: facts.Address
    owner: int


@contextlib.contextmanager
def prepared() -> Iterator[Bench]:
    """A lab with the echo servers, and an agent at its external client."""
    with (
        lifecycle.running(name=f"rate-{os.getpid()}", yaobank=False, say=_say) as lab,
        contextlib.closing(kube.connect(lab.kubeconfig)) as api,
    ):
        backend = placing.backend_node(api.items("/api/v1/nodes"))
        objects = placing.placed(manifests.load(manifests.ECHO), backend)
        manifests.apply(api, objects)
        manifests.wait_for_workloads(api, objects, timeout_s=timeouts.DEFAULT.rollout_s)
        entry = next(address for name, address in zip(lab.nodes, lab.addresses, strict=True) if name != backend)
        with probing.running(provider.client_runner(lab)) as session:
            yield Bench(session=session, entry=ipaddress.ip_address(entry), owner=lab.owner.pid)


def measured(bench: Bench, protocol: words.Protocol, samples: int) -> tuple[object, ...]:
    """One row: that many samples in one request."""
    tokens = tuple(str(uuid.uuid4()) for _ in range(samples))
    dial = probing.Dial(address=bench.entry, port=_PORT, protocol=protocol, tokens=tokens, timeout_s=5.0)
    before, started = _processor_s(bench), time.monotonic()
    [replies] = bench.session.dial_many([dial])
    took_s, after = time.monotonic() - started, _processor_s(bench)
    answered = sum(reply.answered and reply.token == token for token, reply in replies.items())
    costs = (1000 * (late - early) / samples for early, late in zip(before, after, strict=True))
    return (protocol.value, samples, answered, took_s, round(samples / took_s), *costs)


def _processor_s(bench: Bench) -> tuple[float, float, float]:
    """Processor seconds so far: the client's agent, all echo servers of the lab, and this process."""
    found = list(_agents(bench.owner))
    return (
        sum(seconds for mine, seconds in found if mine),
        sum(seconds for mine, seconds in found if not mine),
        time.process_time(),
    )


def _agents(owner: int) -> Iterator[tuple[bool, float]]:
    """Each agent's processor seconds, and whether this process started it; the others are the lab's servers."""
    namespace = Path(f"/proc/{owner}/ns/pid").stat().st_ino
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_text()
            # After the name, which may hold anything: the parent is the second field, the times are 12 and 13.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            if int(fields[1]) == os.getpid() and runners.AGENT.read_text() in command:
                yield True, seconds
            elif (entry / "ns/pid").stat().st_ino == namespace and '"op": "serve"' in command:
                yield False, seconds


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Run, and print one row a measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=1000, help="samples in the first row of a protocol; 1 to 2000")
    samples = parser.parse_args().samples
    if not 0 < samples <= 2000:
        parser.error(f"--samples: {samples} is not in 1 to 2000: more would use up the source ports")
    try:
        with prepared() as bench:
            rows = [measured(bench, protocol, times * samples) for protocol in _PROTOCOLS for times in _TIMES]
    except errors.HarnessError as error:
        _say(str(error))
        return 1
    formats = ("", "", "", ".2f", "", ".3f", ".3f", ".3f")
    sys.stdout.write(tabulate.tabulate(rows, headers=_HEAD, floatfmt=formats) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
