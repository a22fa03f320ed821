"""Which cluster a run gets, from what the user asked for."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.clusters import cluster
from harness.clusters.existing import provider as existing
from harness.clusters.existing.options import ExistingOptions
from harness.clusters.kind import engine, provider
from harness.clusters.kind.options import KindOptions
from harness.core import errors
from harness.dataplane import calico
from harness.model import matrix, named

PROVIDERS = ("auto", "lab", "kind", "existing")
SWITCHES = tuple(way.value for way in calico.Way)
DEFAULT_SAMPLES = 20
MOST_SAMPLES = 10_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a user asked for, in the words that pytest and the command line share.

    Attributes:
        cluster: One of ``PROVIDERS``.
        samples: Samples a cell.
        switch: The way to eBPF mode, ``manual`` or ``automatic``; empty chooses one that the cluster has.
        cells: What of the matrix to sample: ``all``, ``walkthrough``, or names and patterns with commas between.
        report_dir: Where the report's files go; None writes none.
        evidence: Whether evidence of every phase is kept, red or not.
        keep: Whether the cluster stays after the run.
        kind: What was said about the kind cluster.
        existing: What was said about a cluster that is there already.
    """

    cluster: str = "auto"
    samples: int = DEFAULT_SAMPLES
    switch: str = ""
    cells: str = "walkthrough"
    report_dir: Path | None = None
    evidence: bool = False
    keep: bool = False
    kind: KindOptions = KindOptions()  # noqa: RUF009 - frozen, and made of values only
    existing: ExistingOptions = field(default_factory=ExistingOptions)

    def __post_init__(self) -> None:
        if self.cluster not in PROVIDERS:
            raise errors.UsageError(f"--cluster {self.cluster}: one of {', '.join(PROVIDERS)}")
        if self.switch not in ("", *SWITCHES):
            raise errors.UsageError(f"--switch {self.switch}: {' or '.join(SWITCHES)}")
        if not 1 <= self.samples <= MOST_SAMPLES:
            raise errors.UsageError(f"--samples {self.samples}: 1 to {MOST_SAMPLES}")
        if self.report_dir is not None and self.report_dir.exists() and not self.report_dir.is_dir():
            raise errors.UsageError(f"--report-dir {self.report_dir}: not a directory")
        if self.evidence and self.report_dir is None:
            raise errors.UsageError("--evidence: needs --report-dir DIR, where it is kept")
        # A name that nobody knows is found out before a cluster is started.
        _ = self.rows

    @property
    def way(self) -> calico.Way | None:
        """The way to eBPF mode that was asked for."""
        return calico.Way(self.switch) if self.switch else None

    @property
    def rows(self) -> tuple[matrix.Row, ...]:
        """The rows that ``cells`` names; raises UsageError for a name that names none.

        The walk-through is a client's outside the cluster; where a cluster has none, the whole matrix is meant.
        """
        inside = self.cluster == "existing" and not self.existing.client_cmd
        try:
            return named.rows("all" if inside and self.cells == "walkthrough" else self.cells)
        except KeyError as error:
            raise errors.UsageError(f"--cells: no cell {error.args[0]!r}; sourceip plan lists them") from None


def require_possible(options: Options) -> None:
    """Refuse options that can't be, before anything is started or collected.

    Raises:
        UsageError: In one line.
    """
    if options.cluster == "existing":
        existing.require_possible(options.existing)


@contextlib.contextmanager
def opened(options: Options, *, say: Callable[[str], None]) -> Iterator[cluster.Cluster]:
    """The cluster that was asked for, up until the block ends.

    Raises:
        UsageError: It can't be had in that way.
        CapabilityMissing: This machine can't have it.
        HarnessError: It did not come up.
    """
    require_possible(options)
    name = options.cluster if options.cluster != "auto" else automatic(say)
    with _provided(name, options, say) as found:
        yield found


def automatic(say: Callable[[str], None]) -> str:
    """kind where a container engine answers and kind is there, else the lab; which one, and why, is said."""
    try:
        found = engine.find()
        provider.kind_program(KindOptions())
    except errors.CapabilityMissing as error:
        say(f"cluster: lab, a reference dataplane and not Calico ({error.capability}: {error.reason})")
        return "lab"
    say(f"cluster: kind, since {found.program} answers")
    return "kind"


def _provided(
    name: str, options: Options, say: Callable[[str], None]
) -> contextlib.AbstractContextManager[cluster.Cluster]:
    if name == "kind":
        return provider.running(dataclasses.replace(options.kind, keep=options.keep), say=say)
    if name == "existing":
        return existing.running(options.existing, say=say)
    # The lab's own modules are not needed by whoever has a cluster.
    from harness.clusters import lab

    return lab.running(keep=options.keep, say=say)
