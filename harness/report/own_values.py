"""What every run has of its own in what it tells: addresses, generated names, positions, counters. Pure."""

from __future__ import annotations

import ipaddress
import re

from harness.model import words

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]*[0-9A-Fa-f][.:][0-9A-Fa-f.:]+")
# Generated names, positions and counts: a Service's or an endpoint's chain, a rule's number, a pod of a Deployment
# and its veth, what counters say.
_OWN = (
    (re.compile(r"\b(KUBE-[A-Z]{2,3})-[A-Z2-7]{16}\b"), r"\1-*"),
    (re.compile(r"\brule \d+\b"), "rule *"),
    (re.compile(r"-[a-z0-9]{8,10}-[a-z0-9]{5}\b"), "-*"),
    (re.compile(r"\bcali[0-9a-f]{11}\b"), "cali*"),
    (re.compile(r"\(\+\d+\)|\bcounter \+\d+"), "(+*)"),
    (re.compile(r"\b\d+ (?=x |or more )"), "* "),
)


def masked(text: str) -> str:
    """A text with a star for all that every run has of its own; an address of nobody known stays."""
    found = _ADDRESS.sub(_star, text)
    for pattern, instead in _OWN:
        found = pattern.sub(instead, found)
    return found


def _star(match: re.Match[str]) -> str:
    text = match[0].rstrip(".:")
    if match.string[match.start() + len(text) :].startswith(f" {words.AddressClass.UNKNOWN.value}"):
        return match[0]
    host, _, port = text.rpartition(":")
    for candidate in (text, host if port.isdigit() else ""):
        try:
            ipaddress.ip_address(candidate)
        except ValueError:
            continue
        return "*" + match[0][len(text) :]
    return match[0]
