"""What stands in the client's way to the nodes, or in anybody's way to somebody else. Pure."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator

from harness.checks.environment.seen import Proxies, Seen, Way
from harness.model import facts, records

TRANSLATION = "address translation in the client's path"
UNKNOWN_WAY = "the client's path is not known"
HTTP_PROXY = "an HTTP proxy in the environment"

_SETS = ("http_proxy", "https_proxy", "all_proxy")


def findings(seen: Seen) -> Iterator[records.Environment]:
    """All that stands in a way."""
    for way in seen.ways:
        if seen.client is not None:
            yield from _translation(way, seen.client.address)
    for proxies in seen.proxies:
        yield from _proxied(proxies)


def _translation(way: Way, client: facts.Address) -> Iterator[records.Environment]:
    if way.local is not None and way.local != client:
        yield _translated(way, f"the client's own socket is on {way.local} and not on {client}")
    elif not way.saw:
        yield records.Environment(
            cause=UNKNOWN_WAY,
            where=way.node,
            text=f"{_asked(way)}, so a translation on the way there would not be noticed",
        )
    elif client not in way.saw:
        saw = ", ".join(str(address) for address in sorted(way.saw, key=int))
        yield _translated(way, f"{client} dialled {way.node}'s own port {way.port} and was seen as {saw}")


def _translated(way: Way, text: str) -> records.Environment:
    return records.Environment(
        cause=TRANSLATION,
        where=way.node,
        text=f"{text}; no Service is involved, so no dataplane of the cluster did it",
        remedy="take away the masquerade or the proxy between client and nodes",
        blocking=True,
    )


def _asked(way: Way) -> str:
    return f"the connection to port {way.port} was not found on the node" if way.port else "no own port of it answers"


def _proxied(proxies: Proxies) -> Iterator[records.Environment]:
    named = [name for name in _SETS if proxies.variables.get(name)]
    caught = [target for target in proxies.targets if not _is_excepted(target, proxies.variables.get("no_proxy", ""))]
    if named and caught:
        yield records.Environment(
            cause=HTTP_PROXY,
            where=proxies.where,
            text=f"{', '.join(named)} would catch what is meant for {', '.join(caught)}",
            remedy="name them in no_proxy",
        )


def _is_excepted(target: str, no_proxy: str) -> bool:
    return any(_excepts(entry.strip().lower(), target.lower()) for entry in no_proxy.split(",") if entry.strip())


def _excepts(entry: str, target: str) -> bool:
    """An entry is ``*``, an address, a CIDR, or a domain with everything below it."""
    if entry == "*":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(target) in ipaddress.ip_network(entry, strict=False)
    return target == entry.lstrip(".") or target.endswith("." + entry.lstrip("."))
