"""The application's account: its log is read through the API, and a line may take a while to get there."""

from __future__ import annotations

import ipaddress

from harness.model import cells
from harness.witness import application, witnesses
from tests import builders, fake_cluster


def asked(token: str) -> witnesses.Question:
    """One answered sample of customer's NodePort."""
    where = builders.cell()
    return witnesses.Question(cell=where, token=token, reply=builders.answered(token, where, saw=None).reply)


def line(token: str) -> str:
    """What customer logs of it."""
    return f'10.244.82.0 - - [23/Nov/2026 05:29:13] "GET /?probe={token} HTTP/1.1" 200 -'


class Clock(fake_cluster.Clock):
    """Time in which the log's last line comes late."""

    def __init__(self, api: fake_cluster.Api, late: str) -> None:
        super().__init__()
        self._api, self._late = api, late

    def sleep(self, seconds: float) -> None:
        """Let it pass, and the line arrive."""
        super().sleep(seconds)
        self._api.log.append(self._late)


def accounts(clock: fake_cluster.Clock, api: fake_cluster.Api) -> tuple[cells.Account, ...]:
    """What the application says of one answered sample."""
    watch = application.ApplicationWatch(api=api, clock=clock)
    return watch.accounts([asked("one")])["one"]


def test_a_line_that_comes_late_is_awaited() -> None:
    """The way into the log takes time, and that is no failure."""
    api = fake_cluster.Api()
    [found] = accounts(Clock(api, line("one")), api)
    assert found.address == ipaddress.ip_address("10.244.82.0")


def test_a_line_that_never_comes_is_left_to_the_judge() -> None:
    """The wait ends by its own clock, and there is no account."""
    clock = fake_cluster.Clock()
    assert accounts(clock, fake_cluster.Api()) == ()
    assert clock.now() > 1000.0
