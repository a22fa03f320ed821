"""Every mutation of the evidence is caught by what must catch it, and nothing else raises an alarm."""

from __future__ import annotations

import re

import pytest

from harness.model import words
from harness.selftest import evidence, mutations, trial, world


@pytest.mark.parametrize("phase", list(words.Phase))
def test_the_recorded_cluster_is_green(phase: words.Phase) -> None:
    """What is mutated is right before it is."""
    assert trial.seen_in(world.World(), phase).green


@pytest.mark.parametrize("mutation", evidence.MUTATIONS, ids=lambda item: item.name)
def test_the_harness_is_not_fooled(mutation: mutations.OfEvidence) -> None:
    """What is wrong is named by the part that must name it, and what is harmless changes nothing."""
    found = trial.try_evidence(mutation, healthy=world.World())
    assert found.good, found.seen


def test_names_are_unique_and_sentences_whole() -> None:
    """A mutation can be asked for by its name, and a reader is told what it does."""
    names = [item.name for item in evidence.MUTATIONS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{3,21}", name) for name in names)
    assert all(item.does.endswith(".") and item.origin for item in evidence.MUTATIONS)


def test_a_table_without_a_path_says_so() -> None:
    """The recorded cluster answers only what was recorded."""
    who = world.external(world.recorded_facts())
    with pytest.raises(LookupError, match="not in the table"):
        world.on_its_way(words.Dataplane.BPF, who, (who.address, 1), words.Protocol.HTTP)
