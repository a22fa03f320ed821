"""A lab on which something is made wrong for a moment, behind the back of all that would have to know.

Whatever is done is undone by a labelled stack, also when the selftest is interrupted, and the lab goes away anyway.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.clusters import run
from harness.core import cleanup, errors, process
from harness.lab import state
from harness.lab.owner import programs
from harness.model import facts
from harness.selftest import mutations

_END_S = 5.0
SAMPLES = 3
MISSING = 3
"""The exit code of a program of the selftest's own that needs what the kernel has not."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A lab with a run on it.

    Attributes:
        lab: The lab.
        run: The run, whose scene the mutated ones play on.
        backend: Customer's pod.
        echo: Echo's pod.
        here: The backend's node.
        far: A node without a backend.
        third: Another one.
        there: Echo's node.
    """

    lab: state.LabState
    run: run.Run
    backend: facts.Pod
    echo: facts.Pod
    here: facts.Node
    far: facts.Node
    third: facts.Node
    there: facts.Node

    @property
    def client(self) -> facts.Address:
        """The external client."""
        who = self.run.cluster.who
        if who is None:
            raise LookupError("the bench's cluster has no client outside of it")
        return who.address

    @property
    def words(self) -> Mapping[str, object]:
        """What stands for the names in the text of a catch."""
        nodes = {"here": self.here, "far": self.far, "third": self.third, "there": self.there}
        names = {name: node.name for name, node in nodes.items()}
        addresses = {f"{name}_address": node.address for name, node in nodes.items()}
        tunnels = {f"{name}_tunnel": node.tunnel for name, node in nodes.items()}
        pods = {"backend": self.backend.name, "echo": self.echo.name}
        return {**names, **addresses, **tunnels, **pods, "client": self.client}

    def inside(self, namespace: str, *argv: str) -> process.Completed:
        """Run a program in one of the lab's network namespaces; raises CommandError."""
        # With the lab's mounts, since that is where the lock of its iptables is.
        mounts = f"--mount=/proc/{self.lab.owner.pid}/ns/mnt"
        return process.run(self._entering(namespace, *argv, also=(mounts,)), env=programs.environment())

    def rule(self, undo: cleanup.CleanupStack, namespace: str, chain: str, *rule: str) -> None:
        """Put a rule first in a chain of the nat table."""
        table = ("iptables", "-w", "5", "-t", "nat")
        self.inside(namespace, *table, "-I", chain, "1", *rule)
        undo.push(f"rule in {namespace}", lambda: self.inside(namespace, *table, "-D", chain, *rule))

    def program(self, undo: cleanup.CleanupStack, namespace: str, module: str, *arguments: str) -> None:
        """Hold a program of the selftest's own in a network namespace; it has said that it is ready.

        Raises:
            CapabilityMissing: The kernel lacks what it needs.
            HarnessError: It ended instead.
        """
        argv = self._entering(namespace, sys.executable, "-P", "-m", f"harness.selftest.{module}", *arguments)
        child = process.start(
            argv,
            env=programs.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        undo.push(f"{module} in {namespace}", lambda: end(child))
        if child.stdout is None or child.stdout.readline() != b"ready\n":
            raw = child.stderr.read() if child.stderr else b""
            said = raw.decode(errors="backslashreplace").strip()[-300:]
            if child.wait(_END_S) == MISSING:
                raise errors.CapabilityMissing(module, said)
            raise errors.HarnessError(f"{module} in {namespace} did not start: {said}")

    def _entering(self, namespace: str, *argv: str, also: tuple[str, ...] = ()) -> tuple[str, ...]:
        return ("nsenter", *also, f"--net=/proc/{self.lab.owner.pid}/root/run/netns/{namespace}", *argv)


def end(child: process.Child) -> None:
    """End a held program by the end of its input, and by force if that does not help."""
    if child.stdin is not None:
        child.stdin.close()
    try:
        child.wait(_END_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(_END_S)
    for stream in (child.stdout, child.stderr):
        if stream is not None:
            stream.close()


Inflict = Callable[[Bench, cleanup.CleanupStack], None]
"""Makes something wrong on a lab, and pushes on the stack how to undo it."""


@dataclass(frozen=True, kw_only=True)
class OfCluster(mutations.Mutation):
    """A mutation of a real lab. The text of its catch has the bench's words for names: ``{far}``, ``{client}``.

    Attributes:
        inflict: What it does.
        samples: How many samples a cell of its run has.
        before: Whether it is done before the phase's dataplane is asked for.
        fresh: Whether its run has a probe of its own, as a run that comes after another has.
    """

    inflict: Inflict
    samples: int = SAMPLES
    before: bool = False
    fresh: bool = False

    def on(self, bench: Bench) -> OfCluster:
        """The same with the names of that lab."""
        if self.catch is None:
            return self
        return replace(self, catch=replace(self.catch, text=self.catch.text.format_map(bench.words)))


def bench_of(current: run.Run) -> Bench:
    """The bench of a run.

    Raises:
        UsageError: Its cluster is no lab, so nothing in it may be made wrong.
    """
    if current.cluster.provider != "lab" or not current.cluster.disposable:
        raise errors.UsageError(f"a selftest changes what it runs on, and {current.cluster.provider} is no lab")
    known = current.place.facts()
    backends = {item.service: item.backends[0] for item in known.destinations if item.backends}
    backend = backends["customer"]
    others = [node for node in known.nodes if node.name != backend.node]
    return Bench(
        lab=state.read(current.cluster.kubeconfig.parent),
        run=current,
        backend=backend,
        echo=backends["echo"],
        here=known.node(backend.node),
        far=others[0],
        third=others[1],
        there=known.node(backends["echo"].node),
    )


@contextmanager
def inflicted(mutation: OfCluster, bench: Bench) -> Iterator[None]:
    """Something is wrong on that lab until the block ends.

    Raises:
        CleanupError: It could not be undone.
    """
    with cleanup.CleanupStack() as undo:
        mutation.inflict(bench, undo)
        yield
