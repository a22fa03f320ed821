"""What an agent says, in the model's words: an agent's nonsense is the probe's failure, a server's is a sample's."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model import cells, words
from harness.probing import client

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = [
    *("dial", "token", "status", "silence", "error", "local", "peer", "latency_ms", "reply_from", "bytes"),
    *("seen_token", "seen", "seen_port", "server", "event", "id"),
]
ENDPOINT = ["10.0.0.1", 4242]


def dial(*tokens: str) -> client.Dial:
    """Samples to somewhere."""
    return client.Dial(
        address=ip_address("10.0.0.9"),
        port=80,
        protocol=words.Protocol.TCP,
        tokens=tokens,
        timeout_s=2.0,
        concurrency=2,
    )


def sample(token: str, place: int = 0, **more: object) -> dict[str, Any]:
    """An agent's word on one answered sample."""
    account = {"seen_token": token, "seen": "10.0.0.1", "seen_port": 4242, "server": "s"}
    return {
        "dial": place,
        "token": token,
        "latency_ms": 1.5,
        "local": ENDPOINT,
        "peer": ["10.0.0.9", 80],
        **account,
        **more,
    }


def test_all_that_is_known_is_in_the_reply() -> None:
    """Every field of the agent's has its place in the model."""
    assert client.reply_from(sample("t", status=200, reply_from=["10.0.0.8", 81])) == cells.Reply(
        status=200,
        silence=None,
        local=(ip_address("10.0.0.1"), 4242),
        peer=(ip_address("10.0.0.9"), 80),
        latency_ms=1.5,
        token="t",
        saw=(ip_address("10.0.0.1"), 4242),
        server="s",
        sender=(ip_address("10.0.0.8"), 81),
    )


@given(event=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_an_agent_may_say_anything(event: dict[str, Any]) -> None:
    """Whatever JSON an agent writes is a reply or a ProbeError, never another exception."""
    try:
        reply = client.reply_from(event)
    except client.ProbeError:
        return
    assert isinstance(reply, cells.Reply)


@given(seen=JSON, port=JSON, server=JSON, token=JSON)
def test_a_server_may_say_anything(seen: object, port: object, server: object, token: object) -> None:
    """A server's nonsense is an error of its sample and no silence; an answer that passes has an address and a port."""
    reply = client.reply_from(sample("t", seen=seen, seen_port=port, server=server, seen_token=token))
    assert reply.silence is None
    assert reply.answered == (reply.saw is not None)
    assert reply.token == str(token)


@pytest.mark.parametrize("wrong", [{"local": [1, 2]}, {"peer": ["10.0.0.1"]}, {"local": ["10.0.0.1", True]}])
@pytest.mark.parametrize("more", [{}, {"status": "200"}, {"latency_ms": "soon"}, {"silence": "bored"}])
def test_an_agents_nonsense_is_the_probes_failure(wrong: dict[str, Any], more: dict[str, Any]) -> None:
    """An endpoint, status, latency or silence that the model has no word for is no sample."""
    with pytest.raises(client.ProbeError, match="no meaning"):
        client.reply_from(sample("t", **{**wrong, **more}))
    if more:
        with pytest.raises(client.ProbeError, match="no meaning"):
            client.reply_from(sample("t", **more))


def test_samples_find_their_dial() -> None:
    """The same token in two dials is two samples."""
    found = client.replies_from(
        [sample("t", 1, status=2), sample("u"), sample("t", status=1)], [dial("t", "u"), dial("t")]
    )
    assert [{token: reply.status for token, reply in replies.items()} for replies in found] == [
        {"t": 1, "u": None},
        {"t": 2},
    ]


@pytest.mark.parametrize(
    "samples",
    [
        [sample("t")],
        [sample("t"), sample("u"), sample("u")],
        [sample("t"), sample("v")],
        [sample("t"), sample("u", 1)],
        [sample("t"), {**sample("u"), "dial": []}],
        [sample("t"), {**sample("u"), "dial": False}],
    ],
)
def test_samples_that_are_not_those_asked_for_are_the_probes_failure(samples: list[dict[str, Any]]) -> None:
    """One that is missing, doubled, unknown or of no dial loses all, and the message counts."""
    with pytest.raises(client.ProbeError, match=r"of 2 samples came back"):
        client.replies_from(samples, [dial("t", "u")])


@given(line=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_line_is_an_event_or_somebody_elses_words(line: bytes) -> None:
    """A line without an id and an event's name is told apart."""
    event = client.event_from(line)
    assert event is None or isinstance(event["event"], str)


def test_a_deep_line_is_somebody_elses_words() -> None:
    """What overruns the parser is no event either."""
    assert client.event_from(b"[" * 100_000) is None
    assert client.event_from(b'{"id": null, "event": "ready"}') == {"id": None, "event": "ready"}


def test_dials_last_as_long_as_servers_that_never_answer() -> None:
    """Patience covers rounds of the longest time limit, and some more."""
    slack = client.longest_s([], 1)
    assert client.longest_s([dial("a", "b", "c"), dial("d", "e")], 2) == slack + 3 * 2.0


@pytest.mark.parametrize("tokens", [(), ("t", "t")])
def test_a_dial_without_a_token_for_each_sample_cannot_be(tokens: tuple[str, ...]) -> None:
    """A sample is known by its token."""
    with pytest.raises(ValueError, match="token"):
        dial(*tokens)
