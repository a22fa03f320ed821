"""One small cluster of bare namespaces for each module of tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from harness.lab.bpf import dataplane, probing
from tests.lab.bpf import world


@pytest.fixture(scope="session")
def bpf() -> probing.Support:
    """What this kernel can do; without root there is nothing to test here."""
    if os.geteuid() != 0:
        pytest.skip("programs need root")
    support = probing.probe()
    if not support.supported:
        pytest.skip(f"no eBPF here: {support.reason}")
    return support


@pytest.fixture(scope="module")
def place(bpf: probing.Support, tmp_path_factory: pytest.TempPathFactory) -> Iterator[world.World]:
    """The cluster with the recorded Services, their backends, and the default settings."""
    with world.built(tmp_path_factory.mktemp("world")) as built, world.served(built, world.SERVERS):
        built.apply(dataplane.Settings())
        yield built
