"""Secrets stay in the cluster: planted ones are gone from objects and text, and what explains a verdict is kept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.evidence import redaction

PLANTED = "hunter2-Zm9vYmFy"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"

OBJECTS = [
    pytest.param({"kind": "Secret", "metadata": {"name": "s"}, "data": {"a": PLANTED}}, id="a Secret's data"),
    pytest.param({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": PLANTED}}, id="its plain data"),
    pytest.param({"kind": "SecretList", "items": [{"data": {"a": PLANTED}}]}, id="a list of them"),
    pytest.param({"env": [{"name": "DB_PASSWORD", "value": PLANTED}]}, id="a variable with a telling name"),
    pytest.param({"env": [{"name": "GITHUB_TOKEN", "value": PLANTED}]}, id="a token in a variable"),
    pytest.param({"metadata": {"annotations": {redaction._LAST_APPLIED: PLANTED}}}, id="what kubectl applied last"),
    pytest.param({"args": [f"--password={PLANTED}"]}, id="an argument"),
    pytest.param({"args": [f"--db=postgres://bank:{PLANTED}@db/x"]}, id="a password in an address"),
    pytest.param({"users": [{"user": {"client-key-data": PLANTED}}]}, id="a key in a kubeconfig"),
    pytest.param({"data": {"config": f"api_key: {PLANTED}\n"}}, id="a line of a ConfigMap"),
    pytest.param({"message": f"401 with Authorization: Bearer {PLANTED}"}, id="an event's message"),
]


@pytest.mark.parametrize("item", OBJECTS)
def test_a_planted_secret_is_not_in_the_objects(item: dict[str, object]) -> None:
    """Wherever it stands, at any depth."""
    for depth in (item, {"items": [item]}, {"spec": {"template": {"spec": item}}}):
        assert PLANTED not in json.dumps(redaction.objects(depth))


@pytest.mark.parametrize(
    "line",
    [
        f"level=info msg=login password={PLANTED} user=bank",
        f'{{"token": "{PLANTED}"}}',
        f"Authorization: Basic {PLANTED}",
        f"GET https://bank:{PLANTED}@registry.example/v2/",
        f"AWS_SECRET_ACCESS_KEY={PLANTED}",
        f"client-key-data: {PLANTED}",
        f"before {JWT} after",
        f"key:\n{PEM}\nafter",
        PEM[:60],
    ],
)
def test_a_planted_secret_is_not_in_a_text(line: str) -> None:
    """Neither a word beside its name, nor what has the form of a credential."""
    shown = redaction.text(line)
    for secret in (PLANTED, JWT, "MIIEow"):
        assert secret not in shown


@pytest.mark.parametrize(
    "line",
    [
        '-A KUBE-NODEPORTS -p tcp -m comment --comment "yaobank-customer/customer:http" --dport 30180 -j KUBE-EXT-X',
        "[20:1200] -A KUBE-POSTROUTING -j MASQUERADE --random-fully",
        '172.18.0.5 - - [23/Nov/2026 05:29:13] "GET /?probe=2d9c3a0e-5f6b-4a54-8f51-0d6b6b2a9f10 HTTP/1.1" 200 -',
        "172.18.0.2 port 30180 proto 6 id 17 count 1 local 0",
        "10.244.82.0/26 via 10.244.82.0 dev vxlan.calico onlink",
        "net.ipv4.conf.all.rp_filter = 0",
    ],
)
def test_what_explains_a_verdict_is_kept(line: str) -> None:
    """Rules, log lines with a probe's token, map entries, routes and settings come out as they went in."""
    assert redaction.text(line) == line


def test_names_that_only_speak_of_secrets_are_kept() -> None:
    """Which Secret a pod mounts is no secret, and neither is that it mounts none."""
    item = {"volumes": [{"secret": {"secretName": "tls"}}], "automountServiceAccountToken": "false"}
    assert redaction.objects(item) == item


@settings(derandomize=True, database=None, max_examples=300)
@given(st.binary(max_size=200))
def test_any_bytes_come_out_without_an_error_and_twice_is_once(said: bytes) -> None:
    """For any bytes: no exception, and hiding what is hidden changes nothing more."""
    once = redaction.data(said)
    assert redaction.data(once) == once


@settings(derandomize=True, database=None, max_examples=200)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    )
)
def test_a_value_of_a_secret_name_is_hidden_wherever_it_is(around: object) -> None:
    """For any JSON around it, the value beside a telling name is gone."""
    item = {"around": around, "inner": [{"password": PLANTED}, {"name": "API_KEY", "value": PLANTED}]}
    assert PLANTED not in json.dumps(redaction.objects(item))
