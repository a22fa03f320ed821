"""The way of a cell's packets as a picture: who passes it on, with which addresses, and who changed them. Pure.

This is the layout only: boxes, legs between them and their lines of text. The page's template draws it as SVG.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model import cells, facts
from harness.report import findings, style

# In the picture's own units, which are pixels where there is room. A letter of the fixed font is 0.6 of its size wide.
WIDTH = 380
_LINE, _PAD, _LEG = 15, 10, 44
_LETTERS = 52


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of text.

    Attributes:
        y: Its base line.
        text: What it says.
        look: ``name``, ``role``, ``plain``, ``changed``, ``good`` or ``bad``.
    """

    y: int
    text: str
    look: str = "plain"


@dataclass(frozen=True, kw_only=True)
class Box:
    """Somebody on the way, with the addresses that were changed there."""

    y: int
    height: int
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Leg:
    """The way from one box to the next.

    Attributes:
        y: Where it begins.
        lines: Source and destination on it.
        known: Whether anybody saw something pass here.
    """

    y: int
    lines: tuple[Line, ...]
    known: bool

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.y + _LEG


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Boxes and legs from top to bottom, and the whole in one sentence for who can't see it."""

    height: int
    boxes: tuple[Box, ...]
    legs: tuple[Leg, ...]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class _Stop:
    name: str
    role: str
    told: tuple[tuple[str, str], ...] = ()


def draw(verdict: cells.Verdict) -> Picture:
    """The picture of one cell."""
    stops = _stops(verdict)
    pairs = _addresses(verdict, stops)
    boxes: list[Box] = []
    legs: list[Leg] = []
    y = 1
    for index, stop in enumerate(stops):
        box = _box(y, stop)
        boxes.append(box)
        y += box.height
        if index < len(pairs):
            legs.append(_leg(y, pairs, index, known=index == 0 or _arrived(verdict)))
            y += _LEG
    return Picture(height=y + 1, boxes=tuple(boxes), legs=tuple(legs), sentence=verdict.sentence)


def _box(y: int, stop: _Stop) -> Box:
    texts = [(stop.name, "name"), (stop.role, "role"), *stop.told]
    wrapped = [(part, look) for text, look in texts for part in _wrapped(text)]
    lines = tuple(
        Line(y=y + _PAD + 9 + _LINE * number, text=text, look=look) for number, (text, look) in enumerate(wrapped)
    )
    return Box(y=y, height=2 * _PAD + _LINE * len(lines) - 4, lines=lines)


def _wrapped(text: str) -> list[str]:
    # break_long_words is on by default: an address or a name without a blank never leaves its box.
    return textwrap.wrap(style.printable(text), _LETTERS, break_on_hyphens=False) or [""]


def _leg(y: int, pairs: Sequence[tuple[str, str]], index: int, *, known: bool) -> Leg:
    source, destination = pairs[index]
    before = pairs[index - 1] if index else pairs[index]
    if not known:
        return Leg(y=y, lines=(Line(y=y + 26, text="nobody saw anything pass here", look="role"),), known=False)
    lines = (
        Line(y=y + 18, text=f"from {source}", look="changed" if source != before[0] else "plain"),
        Line(y=y + 34, text=f"to   {destination}", look="changed" if destination != before[1] else "plain"),
    )
    return Leg(y=y, lines=lines, known=True)


def _stops(verdict: cells.Verdict) -> list[_Stop]:
    cell, backend = verdict.cell, _backend(verdict)
    client = cell.client
    roles: dict[str, list[str]] = {}
    for name, role in (
        (client.node, "the client's node"),
        (cell.entry.name if cell.entry else "", "the node that is dialled"),
        (backend.node if backend else "", "the backend's node"),
    ):
        if name:
            roles.setdefault(name, []).append(role)
    who = client.pod or (f"host network of {client.node}" if client.node else f"{client.kind.value} client")
    nodes = [_Stop(name=name, role=", ".join(role), told=_changes(verdict, name)) for name, role in roles.items()]
    return [_Stop(name=who, role=f"the client, {client.address}"), *nodes, _end(verdict, backend, set(roles))]


def _changes(verdict: cells.Verdict, node: str) -> tuple[tuple[str, str], ...]:
    told: list[tuple[str, str]] = []
    for item in verdict.rewrites:
        if item.node == node:
            told += [(f"{item.field} {item.before} -> {item.after}", "changed"), (f"by {item.by}", "plain")]
    return tuple(told)


def _end(verdict: cells.Verdict, backend: facts.Pod | None, drawn: set[str]) -> _Stop:
    right = verdict.right == verdict.total
    told = [(f"saw {verdict.seen_text}" if _arrived(verdict) else f"client got: {verdict.seen_text}", "plain")]
    told += [(text, "bad") for text in findings.unexplained(verdict)]
    # A change on no node that is drawn, or on nobody knows which: it belongs to the whole way.
    for item in verdict.rewrites:
        if item.node not in drawn:
            told.append((f"at {item.node}: {item.field} {item.before} -> {item.after} by {item.by}", "bad"))
    told += [
        (f"expected {verdict.expectation.text}", "plain"),
        (f"{'right' if right else 'WRONG'}: {verdict.right} of {verdict.total}", "good" if right else "bad"),
    ]
    if backend is None:
        return _Stop(name="nobody", role="there is no backend", told=tuple(told))
    kind = "host-network backend" if backend.host_network else "the backend"
    return _Stop(name=f"{backend.namespace}/{backend.name}", role=f"{kind}, {backend.address}", told=tuple(told))


def _backend(verdict: cells.Verdict) -> facts.Pod | None:
    """The one that most samples came to; the first where nobody says."""
    told = Counter(account.backend for sample in verdict.samples for account in sample.accounts)
    every = verdict.cell.destination.backends
    return max(every, key=lambda pod: told[f"{pod.namespace}/{pod.name}"], default=None)


def _arrived(verdict: cells.Verdict) -> bool:
    return any(sample.accounts for sample in verdict.samples)


def _addresses(verdict: cells.Verdict, stops: Sequence[_Stop]) -> list[tuple[str, str]]:
    """Source and destination on each leg; on the last the source is what was seen, whoever changed it."""
    address, port = verdict.cell.path.dialled
    pair = (str(verdict.cell.client.address), _endpoint(address, port))
    pairs = [pair]
    for stop in stops[1:-1]:
        for item in verdict.rewrites:
            if item.node == stop.name:
                pair = (item.after, pair[1]) if item.field == "source" else (pair[0], item.after)
        pairs.append(pair)
    seen = next(_seen(verdict), None)
    if seen is not None and not _same(pairs[-1][0], seen):
        pairs[-1] = (seen, pairs[-1][1])
    return pairs


def _seen(verdict: cells.Verdict) -> Iterator[str]:
    told = Counter(str(account.address) for sample in verdict.samples for account in sample.accounts)
    yield from (address for address, _ in told.most_common(1))


def _same(endpoint: str, address: str) -> bool:
    return endpoint == address or endpoint.rpartition(":")[0].strip("[]") == address


def _endpoint(address: facts.Address, port: int) -> str:
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
