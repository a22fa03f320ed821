"""Label and field selectors as kube-apiserver reads them: parse once, then match objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.lab.apiserver import registry, statuses

Object = dict[str, Any]
Predicate = Callable[[Object], bool]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|>|<|\(|\)|,)|(?P<word>[^\s=!<>(),]+))")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """One condition on one label.

    Attributes:
        key: The label's name.
        operator: ``in``, ``notin``, ``exists``, ``!``, ``gt`` or ``lt``.
        values: What it is compared with.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels fulfil it; a label that is absent fulfils ``notin`` too."""
        value = labels.get(self.key)
        if self.operator in ("in", "notin"):
            return (value is not None and value in self.values) == (self.operator == "in")
        if self.operator in ("exists", "!"):
            return (value is not None) == (self.operator == "exists")
        return _compared(value, self.operator, self.values[0])


def _compared(value: str | None, operator: str, bound: str) -> bool:
    if value is None or not value.lstrip("-").isdigit():
        return False
    return int(value) > int(bound) if operator == "gt" else int(value) < int(bound)


class _Tokens:
    """The selector's tokens, one at a time."""

    def __init__(self, text: str) -> None:
        self._items = list(_split(text))
        self._at = 0

    def peek(self) -> str:
        return self._items[self._at] if self._at < len(self._items) else ""

    def take(self) -> str:
        token = self.peek()
        self._at += 1
        return token


def _split(text: str) -> Iterator[str]:
    at = 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _unparsable(text[at], "identifier")
        yield found["op"] or found["word"]
        at = found.end()


def _unparsable(found: str, expected: str) -> statuses.Refusal:
    return statuses.bad_request(f"unable to parse requirement: found '{found}', expected: {expected}")


def _is_word(token: str) -> bool:
    return bool(token) and token not in ("==", "!=", "=", "!", ">", "<", "(", ")", ",")


def labels(text: str) -> tuple[Requirement, ...]:
    """Parse a label selector.

    Raises:
        Refusal: It is none (400).
    """
    tokens = _Tokens(text)
    found: list[Requirement] = []
    while tokens.peek():
        found.append(_requirement(tokens))
        separator = tokens.take()
        if separator not in ("", ","):
            raise _unparsable(separator, "',' or 'end of string'")
        if separator == "," and not tokens.peek():
            raise _unparsable("", "identifier after ','")
    return tuple(found)


def _requirement(tokens: _Tokens) -> Requirement:
    negated = tokens.peek() == "!"
    if negated:
        tokens.take()
    key = tokens.take()
    if not _is_word(key):
        raise _unparsable(key, "!, identifier, or 'end of string'" if not negated else "identifier")
    following = tokens.peek()
    if negated or following in ("", ","):
        return Requirement(key=key, operator="!" if negated else "exists")
    return _compare(key, tokens)


def _compare(key: str, tokens: _Tokens) -> Requirement:
    operator = tokens.take()
    if operator in ("in", "notin"):
        return Requirement(key=key, operator=operator, values=_values(tokens))
    if operator not in ("=", "==", "!=", ">", "<"):
        raise _unparsable(operator, "in, notin, =, ==, !=, gt, lt")
    value = "" if tokens.peek() in ("", ",") else tokens.take()
    if value and not _is_word(value):
        raise _unparsable(value, "identifier")
    names = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}
    if operator in "<>" and not value.lstrip("-").isdigit():
        raise statuses.bad_request(
            f'unable to parse requirement: values[0][{key}]: Invalid value: "{value}": '
            "for 'Gt', 'Lt' operators, the value must be an integer"
        )
    return Requirement(key=key, operator=names[operator], values=(value,))


def _values(tokens: _Tokens) -> tuple[str, ...]:
    opening = tokens.take()
    if opening != "(":
        raise _unparsable(opening, "'('")
    found: list[str] = []
    while (token := tokens.take()) != ")":
        if not token:
            raise _unparsable("", "',' or ')'")
        if token != ",":
            found.append(token)
    return tuple(found)


_PARTS = re.compile(r"(?<!\\),")
_TERM = re.compile(r"^(?P<field>[^=!]*)(?P<operator>==|!=|=)(?P<value>.*)$", re.DOTALL)


def _known_fields(resource: registry.Resource) -> tuple[str, ...]:
    return ("metadata.name", *(("metadata.namespace",) if resource.namespaced else ()), *resource.selectable)


def fields(text: str, resource: registry.Resource) -> tuple[tuple[str, bool, str], ...]:
    """Parse a field selector into (field, whether equal, value).

    Raises:
        Refusal: It is none, or names a field that this kind cannot be selected by (400).
    """
    found = []
    for part in filter(None, _PARTS.split(text)):
        term = _TERM.match(part)
        if term is None:
            raise statuses.bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field = term["field"]
        if field not in _known_fields(resource):
            raise _unknown_field(field, resource)
        value = term["value"].replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
        found.append((field, term["operator"] != "!=", value))
    return tuple(found)


def _unknown_field(field: str, resource: registry.Resource) -> statuses.Refusal:
    # Kinds without fields of their own are refused by apimachinery's default conversion, which lists what it has.
    if not resource.selectable and not resource.custom:
        known = '"metadata.name", "metadata.namespace"'
        return statuses.bad_request(f'"{field}" is not a known field selector: only {known}')
    return statuses.bad_request(f"field label not supported: {field}")


def _field_value(item: Object, field: str) -> str:
    value: Any = item
    for part in field.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if field == "source":
        value = (item.get("source") or {}).get("component") or item.get("reportingComponent")
    if isinstance(value, bool):
        return "true" if value else "false"
    default = "false" if field in ("spec.unschedulable", "spec.hostNetwork") else ""
    return default if value is None else str(value)


def predicate(label_selector: str, field_selector: str, resource: registry.Resource) -> Predicate | None:
    """What both selectors together ask of an object; None asks nothing.

    Raises:
        Refusal: One of them cannot be read (400).
    """
    wanted_labels = labels(label_selector)
    wanted_fields = fields(field_selector, resource)
    if not wanted_labels and not wanted_fields:
        return None

    def holds(item: Object) -> bool:
        found = item["metadata"].get("labels") or {}
        return all(one.matches(found) for one in wanted_labels) and all(
            (_field_value(item, field) == value) == equal for field, equal, value in wanted_fields
        )

    return holds
