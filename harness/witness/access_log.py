"""The application's own account: Werkzeug's access log, read as bytes and trusted only where it carries a token.

The format has not changed from Werkzeug 0.x to 3.x: address, two dashes, time, request line, status, size. What has
changed is what can hide in a line: colours since 1.0, bare quotes in all versions, line separators and carriage
returns in paths before 2.3. So the log is split on ``b"\\n"`` and nothing else, colours are removed, and the whole
line must match.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.model import facts

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}) ", re.ASCII)
_PREFIX = re.compile(r"\[pod/[^\] ]+\] ")
# The quotes are greedy: a path may hold bare quotes, and only the last one closes the request line. A carriage
# return inside never ends a line here, so a forged line stays the path that it is.
_LINE = re.compile(
    r"(?P<address>\S+) - - \[\d{2}/[A-Z][a-z]{2}/\d{4} \d{2}:\d{2}:\d{2}\] "
    r"\"(?P<request>.*)\" (?P<status>\d{3}|HTTPStatus\.\w+) \S+",
    re.ASCII | re.DOTALL,
)
_REQUEST = re.compile(r"[A-Z]+ (?P<target>\S+) HTTP/\d\.\d", re.ASCII)
_TOKEN = re.compile(r"/\?probe=(?P<token>[0-9a-zA-Z-]+)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One request as the application logged it.

    Attributes:
        address: The peer of its socket; an IPv4 address that came over an IPv6 socket is unwrapped.
        target: The request's target, as logged.
        status: The status that it answered; 0 where an old version logs a name instead of a number.
        token: The probe's token, if the whole target is a probe's.
    """

    address: facts.Address
    target: str
    status: int
    token: str | None


def parse(log: bytes) -> tuple[Line, ...]:
    """All requests in a log, in its order; every other line is passed over."""
    return tuple(line for line in (parse_line(raw) for raw in log.split(b"\n")) if line is not None)


def parse_line(raw: bytes) -> Line | None:
    """One line, or None if it is no request of an application with an address that can be one."""
    text = raw.decode("utf-8", errors="backslashreplace")
    for extra in (_PREFIX, _STAMP):
        found = extra.match(text)
        text = text[found.end() :] if found else text
    match = _LINE.fullmatch(_COLOUR.sub("", text))
    if match is None:
        return None
    address = address_from(match["address"])
    request = _REQUEST.fullmatch(match["request"])
    if address is None or request is None:
        return None
    token = _TOKEN.fullmatch(request["target"])
    return Line(
        address=address,
        target=request["target"],
        status=int(match["status"]) if match["status"].isdigit() else 0,
        token=token["token"] if token else None,
    )


def address_from(text: str) -> facts.Address | None:
    """An address from its text, without scope and unwrapped from ``::ffff:``; None if it is none."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def by_token(lines: Iterable[Line], tokens: Iterable[str]) -> dict[str, list[Line]]:
    """The lines of each of these tokens; every token is a key, lines of others are left out."""
    found: dict[str, list[Line]] = {token: [] for token in tokens}
    for line in lines:
        if line.token in found:
            found[line.token].append(line)
    return found
