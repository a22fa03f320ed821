"""What a user may say about a cluster of theirs: nothing is guessed, and what is missing is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.clusters.existing import contexts, options, provider
from harness.core import errors

KUBECONFIG = "contexts: [{name: prod, context: {}}, {name: test, context: {}}]\ncurrent-context: prod\n"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig with a current context, which is never taken."""
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    return path


def test_a_context_must_be_named(kubeconfig: Path) -> None:
    """The current one is not taken, and the message says which there are."""
    chosen = options.ExistingOptions(kubeconfig=kubeconfig, image="i", client_cmd=("ssh", "h"))
    with pytest.raises(errors.UsageError, match=r"--context NAME must say which cluster; \S+ has prod, test"):
        provider.require_possible(chosen)


def test_a_context_must_be_there(kubeconfig: Path) -> None:
    """A name that the file does not have is refused with those that it has."""
    with pytest.raises(errors.UsageError, match=r"--context staging: .* has prod, test"):
        contexts.require(kubeconfig, "staging")
    contexts.require(kubeconfig, "test")


@pytest.mark.parametrize("text", ["", "[]", "contexts: 3", "{"])
def test_a_file_that_is_no_kubeconfig_is_one_line(tmp_path: Path, text: str) -> None:
    """Whatever is in it."""
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(errors.UsageError, match="no kubeconfig with contexts"):
        contexts.names(path)
    with pytest.raises(errors.UsageError, match="No such file"):
        contexts.names(tmp_path / "none")


def test_an_image_and_a_client_must_be_named(kubeconfig: Path) -> None:
    """Without a client outside the cluster only a run that reads goes on."""
    bare = options.ExistingOptions(kubeconfig=kubeconfig, context="test")
    with pytest.raises(errors.UsageError, match="--tools-image NAME"):
        provider.require_possible(bare)
    with pytest.raises(errors.UsageError, match="--client-cmd names a host outside the cluster"):
        provider.require_possible(options.ExistingOptions(kubeconfig=kubeconfig, context="test", image="i"))
    provider.require_possible(options.ExistingOptions(kubeconfig=kubeconfig, context="test", image="i", read_only=True))


def test_reading_and_switching_exclude_each_other() -> None:
    """A run is one or the other."""
    with pytest.raises(errors.UsageError, match="--read-only and --allow-switch"):
        options.ExistingOptions(read_only=True, allow_switch=True)


@pytest.mark.parametrize("prefix", ["", "x", "1a-", "Upper-", "a_b-", "a" * 41 + "-", "-"])
def test_a_prefix_that_can_be_no_namespace_is_refused(prefix: str) -> None:
    """Its namespaces must have names, and must be told from others by it."""
    with pytest.raises(errors.UsageError, match="--namespace-prefix"):
        options.ExistingOptions(prefix=prefix)


def test_every_run_has_a_prefix_of_its_own() -> None:
    """Two runs on one cluster don't meet."""
    assert options.ExistingOptions().prefix != options.ExistingOptions().prefix


def test_the_client_command_is_split_as_a_shell_would() -> None:
    """Quotes keep a word together, and none that is open is guessed at."""
    assert options.client_cmd("ssh -o 'User me' host") == ("ssh", "-o", "User me", "host")
    assert options.client_cmd("") == ()
    with pytest.raises(errors.UsageError, match="No closing quotation"):
        options.client_cmd("ssh 'host")
    with pytest.raises(errors.UsageError, match="no program is named"):
        options.client_cmd("  ")
