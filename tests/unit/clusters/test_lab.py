"""The lab as a provider: what the kernel lacks, and how much memory it takes."""

from __future__ import annotations

import os

from harness.clusters import lab
from harness.core import process


def probed(returncode: int = 0, stdout: bytes = b"\n", stderr: bytes = b"") -> process.Completed:
    """How the probe of the kernel ended."""
    return process.Completed(argv=("probe",), returncode=returncode, stdout=stdout, stderr=stderr)


def test_a_kernel_that_can_lacks_nothing() -> None:
    """An empty reason is a yes."""
    assert lab.missing_from(probed()) == {}


def test_a_kernel_that_can_not_says_why() -> None:
    """The reason travels into the skip."""
    assert lab.missing_from(probed(stdout=b"bpf: Operation not permitted\n")) == {
        "ebpf": "bpf: Operation not permitted"
    }


def test_a_probe_that_failed_is_no_yes() -> None:
    """A probe that could not run has not found out that the kernel can."""
    assert lab.missing_from(probed(1, b"", b"no libbpf")) == {"ebpf": "no libbpf"}
    assert "ended with 1" in lab.missing_from(probed(1))["ebpf"]


def test_memory_is_summed_over_a_pid_namespace() -> None:
    """Every process of the owner's namespace counts, this one at least."""
    measured = lab.memory_mib(os.getpid())
    assert measured is not None
    assert measured > 1


def test_memory_of_nobody_is_unknown() -> None:
    """An owner that is gone has no namespace to look into."""
    assert lab.memory_mib(2**22 + 1) is None
