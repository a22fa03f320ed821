"""One lab for all the tests here that only need some lab; tests of its life and faults start their own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

import pytest

from harness.lab import lifecycle, state
from tests.lab import kubectls


@pytest.fixture(scope="session")
def lab() -> Iterator[state.LabState]:
    """A lab with yaobank, taken down at the end of the run."""
    with lifecycle.running(name=f"test-{os.getpid()}") as started:
        yield started


@pytest.fixture(scope="session")
def kubectl(lab: state.LabState, tmp_path_factory: pytest.TempPathFactory) -> kubectls.Kubectl:
    """The kubectl of this machine, pointed at the lab; without one there is nothing to test with."""
    if not kubectls.available():
        pytest.skip("this machine has no kubectl")
    return kubectls.Kubectl(lab.kubeconfig, tmp_path_factory.mktemp("home"))


@pytest.fixture
def namespace(kubectl: kubectls.Kubectl, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, deleted with everything in it."""
    # Cases of one test follow each other faster than a namespace is emptied.
    suffix = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:6]
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:40].strip("-") + f"-{suffix}"
    kubectl("create", "namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")
