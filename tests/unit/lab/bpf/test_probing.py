"""What a machine that cannot run programs is told."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from harness.core import errors
from harness.lab.bpf import kernel, loading, probing


def failing(error: Exception) -> object:
    """A loader that always fails."""

    def load(name: str, pins: Path | None) -> tuple[loading.Program, ...]:
        assert pins is None, f"{name}: a probe leaves no pins"
        raise error

    return load


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.CapabilityMissing("libbpf", "no such file", "apt-get install libbpf1"), "apt-get install libbpf1"),
        (kernel.KernelError("load to_outside.o", errno.EPERM), "Operation not permitted"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
def test_reason_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    """It says what failed and, where there is one, the remedy."""
    monkeypatch.setattr(loading, "load", failing(error))
    support = probing.probe()
    assert not support.supported
    assert reason in support.reason
    assert "\n" not in support.reason
