"""One lab for all the tests here, since a run on it leaves nothing, which is what they show."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import pytest

from harness.kube import client
from harness.lab import lifecycle
from tests.existing import labs


@pytest.fixture(scope="session")
def theirs() -> Iterator[labs.Theirs]:
    """Somebody's cluster, with workloads of theirs on it."""
    with (
        lifecycle.running(name=f"theirs-{os.getpid()}") as lab,
        contextlib.closing(client.connect(lab.kubeconfig)) as api,
    ):
        yield labs.Theirs(lab=lab, api=api)
