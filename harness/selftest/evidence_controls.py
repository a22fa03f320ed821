"""Mutations of what must be so under every dataplane: the run then proves nothing, whatever its cells say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from harness.model import words
from harness.selftest import changes, stage, world
from harness.selftest.mutations import By, OfEvidence, invalid

_WITH, _WITHOUT = changes.through("172.18.0.3:30181"), changes.through("172.18.0.4:30181")


def _another_asks(moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, asked=stage.asking_line(moment.client.address))


def _answered(when: changes.When) -> Callable[[world.Moment], world.Moment]:
    def forwards(moment: world.Moment) -> world.Moment:
        return dataclasses.replace(moment, saw=moment.client.address, silence=None) if when(moment) else moment

    return forwards


MUTATIONS = (
    OfEvidence(
        name="positive-control",
        does="Under policy Local, through the backend's node, one client of twenty is masqueraded.",
        origin="a parser or a path that cannot show a client",
        phase=words.Phase.EBPF,
        change=changes.seeing("172.18.0.3", changes.both(_WITH, changes.last)),
        catch=invalid("positive: expected the client's own address", By.CONTROL),
    ),
    OfEvidence(
        name="negative-control",
        does="Summary's log shows the external client, who has never spoken to it.",
        origin="a log that shows the client whatever happens",
        phase=words.Phase.EBPF,
        change=changes.telling(_another_asks, changes.both(changes.over_http, changes.last)),
        catch=invalid("negative: expected", By.CONTROL),
    ),
    OfEvidence(
        name="unreachable-control",
        does="Under policy Local a node without a backend answers.",
        origin="something answers whatever is dialled",
        phase=words.Phase.EBPF,
        change=lambda of: dataclasses.replace(of, forwards=_answered(_WITHOUT)),
        catch=invalid("unreachable: expected no answer", By.CONTROL),
    ),
)
