"""The run's own namespaces: removed at the end by proof, and those of other runs named and left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.core import errors, timeouts, waiting
from harness.kube import client, shaping

_ALL = "/api/v1/namespaces"
GONE_S = timeouts.DEFAULT.gone_s
"""How long the API may take to empty and remove a namespace."""

Say = Callable[[str], None]


def left(api: client.Client) -> tuple[str, ...]:
    """The namespaces that runs have made and not removed, or are still using; raises ApiError."""
    found = api.items(_ALL, {"labelSelector": shaping.MARKED})
    return tuple(sorted(str(item["metadata"]["name"]) for item in found))


def tell_left(found: Sequence[str], say: Say) -> None:
    """Name what other runs have left, which is never removed without being asked for."""
    if found:
        say(f"of other runs, and left alone: namespaces {', '.join(found)}; sourceip clean removes them")


def taken(api: client.Client, names: Iterable[str]) -> tuple[str, ...]:
    """Which of these names are taken already; raises ApiError."""
    return tuple(name for name in names if api.find(f"{_ALL}/{name}") is not None)


def remove(
    api: client.Client, names: Sequence[str], *, timeout_s: float = GONE_S, clock: waiting.Clock = waiting.REAL
) -> None:
    """Delete namespaces and wait until none of them is there any more; every one is tried, whatever another does.

    Raises:
        WaitTimeout: Some stay, and the text names them.
        ApiError: One could not be deleted.
    """
    failed = [error for error in (_deleted(api, name) for name in names) if error is not None]

    def observe() -> tuple[str, ...]:
        return taken(api, names)

    if not failed:
        waiting.wait_until(
            observe, lambda found: not found, what="namespaces removed", timeout_s=timeout_s, delay_s=0.5, clock=clock
        )
        return
    raise failed[0]


def _deleted(api: client.Client, name: str) -> errors.ApiError | None:
    try:
        api.delete(f"{_ALL}/{name}")
    except errors.ApiError as error:
        return error
    return None
