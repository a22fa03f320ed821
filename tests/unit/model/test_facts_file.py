"""A facts file: what it says, what it leaves out, and what is refused in one line."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from harness.commands import plan
from harness.core import errors
from harness.model import facts_file, words
from harness.oracle import planning

EXAMPLE: dict[str, Any] = json.loads(plan.EXAMPLE.read_text(encoding="utf-8"))
ENDLESS = "[" * 200_000

# The same examples every time, and no deadline: a test says what holds, not how fast.
PURE = hypothesis.settings(deadline=None, derandomize=True, max_examples=100)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text() | st.sampled_from(list(EXAMPLE)), below),
    max_leaves=8,
)


def parsed(**changes: object) -> facts_file.Document:
    """The example with some keys replaced; None takes one out."""
    changed = {key: value for key, value in (EXAMPLE | changes).items() if value is not None}
    return facts_file.parse(json.dumps(changed))


def with_item(key: str, **changes: object) -> list[dict[str, Any]]:
    """One of the example's lists with its first item changed; None takes a key out."""
    first, *others = EXAMPLE[key]
    return [{name: value for name, value in (first | changes).items() if value is not None}, *others]


def test_everything_that_is_said_is_read() -> None:
    """Nodes, pods, Services and settings, each as it stands in the file."""
    found = parsed(dataplane="BPF", dsr=True, hostNat=False, connectTime="Disabled", overlay="IPIP")
    known = found.facts
    assert found.dataplane is words.Dataplane.BPF
    assert (known.dsr, known.host_nat, known.connect_time, known.overlay) == (
        True,
        False,
        words.ConnectTime.DISABLED,
        "IPIP",
    )
    assert known.client is not None
    assert (known.client.address, known.gateway) == (ip_address("172.18.0.5"), ip_address("172.18.0.1"))
    assert [(node.name, str(node.address), str(node.tunnel)) for node in known.nodes] == [
        ("kind-control-plane", "172.18.0.2", "10.244.82.0"),
        ("kind-worker", "172.18.0.3", "10.244.162.128"),
        ("kind-worker2", "172.18.0.4", "10.244.110.128"),
    ]
    assert [pod.name for pod in known.other_pods] == ["pod-cp", "pod-w1", "pod-w2"]
    inside = known.destinations[-1]
    assert (inside.service, inside.internal_policy, inside.policy, inside.node_port) == (
        "echohost-inside",
        words.Policy.LOCAL,
        words.Policy.CLUSTER,
        0,
    )
    assert [pod.host_network for pod in inside.backends] == [True]


def test_a_protocol_is_what_a_sample_can_speak() -> None:
    """UDP is spoken over connected sockets and over others."""
    found = [item.protocol for item in parsed().facts.destinations if item.service == "echo"]
    assert found == [words.Protocol.TCP, words.Protocol.UDP, words.Protocol.UDP_UNCONNECTED]


def test_what_is_left_out_is_as_documented() -> None:
    """The defaults are those of the recorded cluster in iptables mode."""
    found = parsed(dataplane=None, overlay=None, connectTime=None, dsr=None, hostNat=None, gateway=None)
    known = found.facts
    assert found.dataplane is words.Dataplane.IPTABLES
    assert (known.overlay, known.connect_time, known.dsr, known.host_nat, known.gateway) == (
        "VXLAN",
        words.ConnectTime.TCP,
        False,
        True,
        None,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "an object is wanted, not list"),
        ("{}", "schema is None, not 'sourceip/facts'"),
        (ENDLESS, "recursion"),
        ('{"schema": "sourceip/facts"}', "version is None, and this program reads 1"),
        ('{"schema": "sourceip/facts", "version": 1}', "'nodes' is missing"),
    ],
)
def test_a_text_that_is_no_facts_file_is_one_line(text: str, says: str) -> None:
    """No JSON, no object, another schema, and nothing in it."""
    with pytest.raises(errors.ParseError, match=says) as caught:
        facts_file.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "version is 2, and this program reads 1"),
        ({"version": True}, "version is True"),
        ({"version": 1.0}, "version is 1.0"),
        ({"schema": "sourceip/run"}, "schema is 'sourceip/run'"),
        ({"dataplan": "BPF", "colour": 1}, "no such key: colour, dataplan"),
        ({"dataplane": "ebpf"}, "'ebpf' is not a valid Dataplane"),
        ({"connectTime": "UDP"}, "'UDP' is not a valid ConnectTime"),
        ({"dsr": "yes"}, "dsr must be true or false"),
        ({"client": None}, "'client' is missing"),
        ({"client": "172.18.0"}, "'172.18.0' does not appear to be"),
        ({"client": 5}, "client must be a text"),
        ({"overlay": ""}, "overlay must be a text"),
        ({"overlay": "VX\u001bLAN"}, "overlay must be a text"),
        ({"nodes": {}}, "nodes must be a list"),
        ({"nodes": []}, "nodes must be there"),
        ({"nodes": [*EXAMPLE["nodes"], EXAMPLE["nodes"][0]]}, "each with a name of its own"),
        ({"nodes": EXAMPLE["nodes"][:1]}, "pods on nodes that are not there: kind-worker, kind-worker2"),
        ({"nodes": ["kind-worker"]}, "an object is wanted, not str"),
        ({"nodes": with_item("nodes", address=None)}, "'address' is missing"),
        ({"pods": [*EXAMPLE["pods"], EXAMPLE["pods"][0]]}, "yaobank-customer/customer is there twice"),
        ({"pods": with_item("pods", name="\ud800")}, "name must be a text"),
        ({"pods": with_item("pods", hostNetwork="no")}, "hostNetwork must be true or false"),
        ({"services": with_item("services", nodePort=65536)}, "nodePort is 65536"),
        ({"services": with_item("services", nodePort="30180")}, "nodePort is '30180'"),
        ({"services": with_item("services", backends=["a/b"])}, "'a/b' is missing"),
        ({"services": with_item("services", backends=None)}, "'backends' is missing"),
        ({"services": with_item("services", backends="customer")}, "backends must be a list"),
        ({"services": with_item("services", protocols="TCP")}, "protocols must be a list"),
        ({"services": with_item("services", protocols=["SCTP"])}, "'SCTP' is missing"),
        ({"services": with_item("services", externalTrafficPolicy="local")}, "'local' is not a valid Policy"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(changes: dict[str, object], says: str) -> None:
    """Another version, a key that nobody knows, and each value that means nothing."""
    with pytest.raises(errors.ParseError, match=says) as caught:
        parsed(**changes)
    assert "\n" not in str(caught.value)


@PURE
@hypothesis.given(st.text() | JSON.map(json.dumps))
def test_any_text_and_any_json_is_a_document_or_a_parse_error(text: str) -> None:
    """Whatever stands in a file: facts, or the one error that says what is wrong."""
    taken(text)


PATHS = [
    *((key,) for key in EXAMPLE),
    *((key, 0, name) for key in ("nodes", "pods") for name in EXAMPLE[key][0]),
    *(("services", 0, name) for name in (*EXAMPLE["services"][0], "externalTrafficPolicy", "internalTrafficPolicy")),
    ("services", 0, "protocols", 0),
    ("services", 0, "backends", 0),
]


@hypothesis.settings(PURE, max_examples=300)
@hypothesis.given(st.sampled_from(PATHS), JSON)
def test_any_value_anywhere_is_a_document_or_a_parse_error(path: tuple[str | int, ...], value: object) -> None:
    """One value of a good file is replaced by anything; what is still taken can be predicted for, cell by cell."""
    said = json.loads(json.dumps(EXAMPLE))
    place = said
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    found = taken(json.dumps(said))
    assert found is None or len(planning.predict_all(found.dataplane, found.facts)) == 348


def taken(text: str) -> facts_file.Document | None:
    """The document, or None if it is refused as it should be; any other exception fails the test."""
    try:
        return facts_file.parse(text)
    except errors.ParseError as refused:
        return None if str(refused) else pytest.fail("refused without a word")
