"""Mutations of what must be so under every dataplane, and of the way to it: such a run proves nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import ip_address

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
    OfEvidence(
        name="docker-masquerade",
        does="A bridge between client and nodes masquerades, as Docker's does.",
        origin="hole 11: an environment is blamed on the dataplane",
        phase=words.Phase.EBPF,
        change=lambda of: dataclasses.replace(
            changes.seeing("172.18.0.1", changes.always)(of), arrives_as=ip_address("172.18.0.1")
        ),
        catch=invalid("172.18.0.5 dialled kind-worker's own port 10250 and was seen as 172.18.0.1", By.ENVIRONMENT),
    ),
)
