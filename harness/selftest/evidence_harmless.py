"""Changes that only look like something wrong: a harness that fails on one of them raises a false alarm."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

from harness.model import facts, words
from harness.selftest import changes, stage, world
from harness.selftest.mutations import OfEvidence

_NOISE = (
    b" * Serving Flask app 'customer'\n"
    b"\x1b[31m\x1b[1mWARNING: This is a development server.\x1b[0m\n"
    b'10.244.162.128 - - [23/Nov/2026 05:29:10] "GET /healthz HTTP/1.1" 404 -\n'
    b'10.9.9.9 - - [23/Nov/2026 05:29:11] code 400, message Bad request syntax ("\\x16\\x03\\x01")\n'
    b"\xff\xfe\x00 not UTF-8\n"
    b'172.18.0.1 - - [23/Nov/2026 05:29:12] "HEAD / HTTP/1.1" 200 -\n'
)


def _harmless(name: str, does: str, origin: str, change: changes.Change, phase: words.Phase) -> OfEvidence:
    return OfEvidence(name=name, does=does, origin=origin, phase=phase, change=change, catch=None)


def _reversed(log: bytes) -> bytes:
    return b"".join(reversed(log.splitlines(keepends=True)))


def _coloured(moment: world.Moment, _lines: bytes) -> bytes:
    return stage.access_line(str(moment.saw), moment.token, before="\x1b[37m", after="\x1b[0m")


def _mapped(moment: world.Moment, _lines: bytes) -> bytes:
    return stage.access_line(f"::ffff:{moment.saw}", moment.token)


def _stamped(_moment: world.Moment, lines: bytes) -> bytes:
    return b"2026-11-23T05:29:13.123456789Z " + lines


def _at_another_time(_moment: world.Moment, lines: bytes) -> bytes:
    return lines.replace(b"23/Nov/2026 05:29:13", b"01/Jan/1970 00:00:07")


def _forged_besides(moment: world.Moment, lines: bytes) -> bytes:
    claim = stage.access_line("10.9.9.9", moment.token).decode().rstrip("\n")
    return lines + stage.access_line("10.9.9.8", "x", before=f"GET /\r{claim}\r")


def _client(address: str) -> changes.Change:
    who = facts.Client(kind=words.ClientKind.EXTERNAL, address=ip_address(address))
    return lambda of: dataclasses.replace(of, known=dataclasses.replace(of.known, client=who))


MUTATIONS = (
    _harmless(
        "log-order",
        "The log's lines come in another order.",
        "order is no evidence",
        changes.reading(_reversed),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "colours",
        "Lines are coloured, as Werkzeug 1.0 does.",
        "bytes that a terminal hides",
        changes.logging(_coloured, changes.always),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "mapped-addresses",
        "The application listens on IPv6 and logs ::ffff: addresses.",
        "two spellings of one address",
        changes.logging(_mapped, changes.always),
        words.Phase.EBPF,
    ),
    _harmless(
        "stamps",
        "Lines come with kubectl's time stamps.",
        "the way in which a log is read",
        changes.logging(_stamped, changes.always),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "another-clock",
        "The application's clock is decades behind.",
        "time is no evidence",
        changes.logging(_at_another_time, changes.always),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "other-lines",
        "Banners, health checks, a visitor and broken bytes are in the log.",
        "other lines of a log",
        changes.reading(lambda log: _NOISE + log + _NOISE),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "forged-besides",
        "Each true line is followed by one whose path claims another address for its token.",
        "a forgery that fools nobody",
        changes.logging(_forged_besides, changes.always),
        words.Phase.EBPF,
    ),
    _harmless(
        "client-among-nodes",
        "The client is in the nodes' own subnet, at another address than before.",
        "hole 10: the same subnet changes the verdict",
        _client("172.18.0.20"),
        words.Phase.IPTABLES,
    ),
    _harmless(
        "client-elsewhere",
        "The client is in a subnet of its own.",
        "hole 10: the same subnet changes the verdict",
        _client("192.0.2.7"),
        words.Phase.EBPF,
    ),
    _harmless(
        "slow-answers",
        "Every answer takes 900 ms.",
        "time is no evidence",
        changes.saying(changes.always, latency_ms=900.0),
        words.Phase.IPTABLES,
    ),
)
