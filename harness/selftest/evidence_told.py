"""Mutations of what the agent, the log and the wire tell of samples that arrived as they should, or did not."""

from __future__ import annotations

import dataclasses

from harness.model import words
from harness.selftest import changes, stage, world
from harness.selftest.mutations import Catch, OfEvidence, erring, failing, invalid

_LOST = "answered, but no line in the log"
# What is told of one path only leaves the controls as they are.
_HERE = changes.through("172.18.0.2:30180")
_LAST_HERE = changes.both(_HERE, changes.last)


def _forged(separator: str, catch: Catch, name: str) -> OfEvidence:
    """The true line is gone, and another request's path holds one that claims the right token and address."""

    def forge(moment: world.Moment, _lines: bytes) -> bytes:
        claim = stage.access_line(str(moment.client.address), moment.token).decode().rstrip("\n")
        return stage.access_line("10.9.9.9", "x", before=f"GET /{separator}{claim}{separator}")

    return OfEvidence(
        name=f"forged-{name}",
        does=f"The true line is gone; a path with {separator!r} holds one with the right token and address.",
        origin="facts on Werkzeug before 2.3: a path ends a line",
        phase=words.Phase.EBPF,
        change=changes.logging(forge, _HERE),
        catch=catch,
    )


def _gone(moment: world.Moment, _lines: bytes) -> bytes:
    del moment
    return b""


def _twice(moment: world.Moment, lines: bytes) -> bytes:
    del moment
    return lines * 2


def _second_half(moment: world.Moment, lines: bytes) -> bytes:
    middle = moment.count // 2
    return b"" if moment.index < middle else lines[20:] if moment.index == middle else lines


def _unheard(_moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, lines=b"", wire=None)


def _blind(_moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, wire=None)


def _reached(moment: world.Moment, telling: world.Telling) -> world.Telling:
    return dataclasses.replace(telling, lines=stage.access_line(str(moment.client.address), moment.token))


def _otherwise(moment: world.Moment) -> world.Moment:
    silent = moment.silence is words.Silence.TIMEOUT
    return dataclasses.replace(moment, silence=words.Silence.REFUSED) if silent else moment


LOGS = (
    _forged("\r", failing(_LOST), "cr"),
    _forged("\x85", failing(_LOST), "nel"),
    _forged("\u2028", failing(_LOST), "u2028"),
    OfEvidence(
        name="lost-line",
        does="One line of twenty never comes into the log.",
        origin="a line is lost",
        phase=words.Phase.IPTABLES,
        change=changes.logging(_gone, _LAST_HERE),
        catch=failing(_LOST),
    ),
    OfEvidence(
        name="doubled-line",
        does="One request is logged twice.",
        origin="a retry or a replay",
        phase=words.Phase.IPTABLES,
        change=changes.logging(_twice, _LAST_HERE),
        catch=failing("2 lines in the log for one request"),
    ),
    OfEvidence(
        name="rotated-log",
        does="Half of the lines are gone, and the next begins in its middle.",
        origin="the kubelet rotates a log",
        phase=words.Phase.IPTABLES,
        change=changes.logging(_second_half, _HERE),
        catch=failing(_LOST),
    ),
    OfEvidence(
        name="cut-line",
        does="The end of one line is missing.",
        origin="a line is read while it is written",
        phase=words.Phase.IPTABLES,
        change=changes.logging(lambda _moment, lines: lines[:-8] + b"\n", _LAST_HERE),
        catch=failing(_LOST),
    ),
    OfEvidence(
        name="reached-in-silence",
        does="The client hears nothing, and the application has logged the request all the same.",
        origin="half a path is taken for a closed one",
        phase=words.Phase.IPTABLES,
        change=changes.telling(_reached, changes.both(changes.through("172.18.0.2:30181"), changes.last)),
        catch=failing("the application was reached, says the application"),
    ),
)

ANSWERS = (
    OfEvidence(
        name="empty-answer",
        does="The connection is closed without a byte of an answer.",
        origin="hole 5: an empty body passes",
        phase=words.Phase.IPTABLES,
        change=changes.saying(_LAST_HERE, status=None, seen=None, silence="reset", error="closed without an answer"),
        catch=failing("no answer: reset"),
    ),
    OfEvidence(
        name="unparsable-answer",
        does="What answers speaks no HTTP.",
        origin="hole 5: an unparsable body passes",
        phase=words.Phase.IPTABLES,
        change=changes.saying(_LAST_HERE, status=None, seen=None, error="ValueError: no HTTP answer: b'?'"),
        catch=erring("an answer without a meaning: ValueError: no HTTP answer"),
    ),
    OfEvidence(
        name="broken-chain",
        does="Customer logs the right address and answers 500, because its database is gone.",
        origin="an address without a working service",
        phase=words.Phase.IPTABLES,
        change=changes.saying(_LAST_HERE, status=500),
        catch=failing("HTTP 500 instead of 200"),
    ),
    OfEvidence(
        name="stranger-answers",
        does="Something answers 200 that is not customer.",
        origin="an answer from something that is not the backend",
        phase=words.Phase.EBPF,
        change=changes.telling(_unheard, _HERE),
        catch=failing("answered, but no line in the log: not by the backend, or the line is lost"),
    ),
    OfEvidence(
        name="stale-answer",
        does="An echo repeats another sample's token.",
        origin="an answer to another question",
        phase=words.Phase.EBPF,
        change=changes.saying(changes.through("172.18.0.2:30200", words.Protocol.TCP), seen_token="another"),
        catch=failing("the answer is to another question"),
    ),
    OfEvidence(
        name="untranslated-answer",
        does="A datagram's answer comes from the pod's own address.",
        origin="the reply misses its translation",
        phase=words.Phase.EBPF,
        change=changes.saying(
            changes.through("172.18.0.2:30200", words.Protocol.UDP_UNCONNECTED), reply_from=["10.244.162.135", 8080]
        ),
        catch=failing("the answer came from 10.244.162.135:8080, which nobody dialled"),
    ),
    OfEvidence(
        name="other-silence",
        does="A path that must time out is refused.",
        origin="one silence is taken for another",
        phase=words.Phase.IPTABLES,
        change=lambda of: dataclasses.replace(of, forwards=_otherwise),
        catch=failing("refused instead of timeout"),
    ),
)

CLIENTS = (
    OfEvidence(
        name="translated-at-connect",
        does="The external client's socket is connected to the pod, though it dialled the node.",
        origin="connect-time load balancing reaches the client",
        phase=words.Phase.EBPF,
        change=changes.saying(changes.over_http, peer=["10.244.162.134", 80]),
        catch=invalid("the client's socket is connected to 10.244.162.134:80, which nobody dialled"),
    ),
    OfEvidence(
        name="another-client",
        does="The external client's socket has another address than the client.",
        origin="the measured client is not the planned one",
        phase=words.Phase.EBPF,
        change=changes.saying(changes.over_http, local=["172.18.0.6", 40001]),
        catch=invalid("the client's own socket is on 172.18.0.6, not on 172.18.0.5"),
    ),
    OfEvidence(
        name="blind-witness",
        does="The witness on the wire is in place and sees nothing.",
        origin="a witness that watches the wrong device",
        phase=words.Phase.EBPF,
        change=changes.telling(_blind, changes.always),
        catch=failing("answered, but the request never arrived on the backend's wire"),
    ),
    OfEvidence(
        name="forgetful-witness",
        does="The witness on the wire loses one packet of twenty.",
        origin="a capture that drops",
        phase=words.Phase.EBPF,
        change=changes.telling(_blind, changes.last),
        catch=failing("answered, but the request never arrived on the backend's wire"),
    ),
)

MUTATIONS = (*LOGS, *ANSWERS, *CLIENTS)
