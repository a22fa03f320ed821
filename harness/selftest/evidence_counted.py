"""Mutations of what is planned and counted."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

from harness.model import cells, facts, words
from harness.selftest import changes, world
from harness.selftest.mutations import By, Catch, OfEvidence, erring

_REFUSED = Catch(by=By.REFUSAL, outcome=None, text="")


def _silent_agent(_moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, event=None)


def _of_several(moment: world.Moment) -> bool:
    return moment.count > 1


def _without_a_source(of: world.World) -> world.World:
    """What an oracle's module does that names nobody: it never becomes an expectation."""
    cells.Answer(sources=())
    return of


def _with_a_silence_of_no_kind(of: world.World) -> world.World:
    cells.NoAnswer(how=frozenset(), because="nobody says so")
    return of


def _client_of_a_node(of: world.World) -> world.World:
    who = facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address("172.18.0.2"))
    return dataclasses.replace(of, known=dataclasses.replace(of.known, client=who))


MUTATIONS = (
    OfEvidence(
        name="no-source",
        does="An expectation names no address that may be seen.",
        origin="hole 6: an unset source passes",
        phase=words.Phase.IPTABLES,
        change=_without_a_source,
        catch=dataclasses.replace(_REFUSED, text="an expectation without a source would pass whatever is seen"),
    ),
    OfEvidence(
        name="no-silence",
        does="An expectation of silence does not say which.",
        origin="hole 6: an unset source passes",
        phase=words.Phase.IPTABLES,
        change=_with_a_silence_of_no_kind,
        catch=dataclasses.replace(_REFUSED, text="must say which silence"),
    ),
    OfEvidence(
        name="cell-never-ran",
        does="Nothing comes back of one planned cell.",
        origin="hole 7: an expectation that never ran passes",
        phase=words.Phase.IPTABLES,
        change=changes.telling(_silent_agent, changes.both(changes.through("172.18.0.4:30180"), _of_several)),
        catch=erring("20 of 20 samples were never taken", By.ACCOUNTING),
    ),
    OfEvidence(
        name="shortened",
        does="One sample of twenty is left out of the count.",
        origin="19 of 19 is printed for 19 of 20",
        phase=words.Phase.IPTABLES,
        change=changes.telling(_silent_agent, changes.last),
        catch=erring("19 of 20 (1 of 20 samples were never taken)", By.ACCOUNTING),
    ),
    OfEvidence(
        name="nothing-planned",
        does="No cell of the matrix is asked for.",
        origin="hole 7: an expectation that never ran passes",
        phase=words.Phase.IPTABLES,
        change=lambda of: dataclasses.replace(of, rows=()),
        catch=dataclasses.replace(_REFUSED, text="a plan without a cell would pass whatever happens"),
    ),
    OfEvidence(
        name="client-is-a-node",
        does="The external client has a node's address, so whoever is seen is both.",
        origin="an address of two classes",
        phase=words.Phase.IPTABLES,
        change=_client_of_a_node,
        catch=dataclasses.replace(_REFUSED, text="nothing can be told apart"),
    ),
)
