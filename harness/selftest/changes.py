"""How a healthy world is changed: a change of what the network does, or of what is told of it. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from ipaddress import ip_address

from harness.model import words
from harness.selftest.world import Event, Moment, Telling, World

Change = Callable[[World], World]
When = Callable[[Moment], bool]


def always(moment: Moment) -> bool:
    """Every sample."""
    del moment
    return True


def last(moment: Moment) -> bool:
    """One of those that are taken together, and none of those that await convergence."""
    return moment.last


def over_http(moment: Moment) -> bool:
    """What customer logs."""
    return moment.protocol is words.Protocol.HTTP


def through(dialled: str, protocol: words.Protocol = words.Protocol.HTTP) -> When:
    """Samples of one address and port."""
    return lambda moment: f"{moment.dialled[0]}:{moment.dialled[1]}" == dialled and moment.protocol is protocol


def both(*conditions: When) -> When:
    """Where all hold."""
    return lambda moment: all(condition(moment) for condition in conditions)


def seeing(address: str, when: When) -> Change:
    """The network rewrites the source of what arrives at a backend; every witness sees it so."""
    wanted = ip_address(address)

    def forwards(moment: Moment) -> Moment:
        return dataclasses.replace(moment, saw=wanted) if moment.saw is not None and when(moment) else moment

    return lambda of: dataclasses.replace(of, forwards=forwards)


def telling(change: Callable[[Moment, Telling], Telling], when: When) -> Change:
    """The samples for which it holds are told otherwise."""

    def tells(moment: Moment, telling: Telling) -> Telling:
        return change(moment, telling) if when(moment) else telling

    return lambda of: dataclasses.replace(of, tells=tells)


def saying(when: When, **fields: object) -> Change:
    """The agent's words have other fields; one that is None is left out. Samples without an answer stay as they are."""

    def change(moment: Moment, telling: Telling) -> Telling:
        if moment.silence is not None or telling.event is None:
            return telling
        event: Event = {**telling.event, **fields}
        return dataclasses.replace(telling, event={key: value for key, value in event.items() if value is not None})

    return telling(change, when)


def reading(change: Callable[[bytes], bytes]) -> Change:
    """Customer's log is not read as it was written."""
    return lambda of: dataclasses.replace(of, reads=change)


def logging(change: Callable[[Moment, bytes], bytes], when: When) -> Change:
    """Customer's log has other lines; a sample that it would have no line of stays so."""

    def other(moment: Moment, told: Telling) -> Telling:
        return dataclasses.replace(told, lines=change(moment, told.lines)) if told.lines else told

    return telling(other, when)


def in_turn(*changes: Change) -> Change:
    """Several changes of different things."""

    def change(of: World) -> World:
        for item in changes:
            of = item(of)
        return of

    return change
