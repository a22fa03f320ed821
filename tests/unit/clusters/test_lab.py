"""The lab as a provider: what the kernel lacks, and how much memory it takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.clusters import lab
from harness.core import errors
from harness.lab import state

UP = state.LabState(
    name="none",
    directory=Path("none"),
    owner=state.Process(pid=1, started=0),
    nodes=("kind-control-plane",),
    addresses=("172.18.0.2",),
    client="172.18.0.5",
)


def probing(monkeypatch: pytest.MonkeyPatch, program: str) -> dict[str, str]:
    """What is missing according to a probe of this text, run on this machine instead of on a lab's node."""
    monkeypatch.setattr(lab, "PROBE", program)
    monkeypatch.setattr(lab, "_entering", lambda _lab, _namespace: ())
    return lab.missing(UP)


def test_a_kernel_that_can_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty reason is a yes."""
    assert probing(monkeypatch, "print()") == {}


def test_a_kernel_that_can_not_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason travels into the skip."""
    assert probing(monkeypatch, "print('bpf: not permitted')") == {"ebpf": "bpf: not permitted"}


def test_a_probe_that_breaks_is_an_error_and_no_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who skips two phases of three because of a bug of ours would end green."""
    with pytest.raises(errors.CommandError, match="a bug"):
        probing(monkeypatch, "raise SystemExit('a bug')")


def test_memory_is_summed_over_a_pid_namespace() -> None:
    """Every process of the owner's namespace counts, this one at least."""
    measured = lab.memory_mib(os.getpid())
    assert measured is not None
    assert measured > 1


def test_memory_of_nobody_is_unknown() -> None:
    """An owner that is gone has no namespace to look into."""
    assert lab.memory_mib(2**22 + 1) is None
