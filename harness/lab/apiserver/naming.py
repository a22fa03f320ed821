"""Names, labels and annotations: what they may look like, in apimachinery's words."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

from harness.lab.apiserver import golang
from harness.lab.apiserver.statuses import Cause, invalid

_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_LABEL_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")

LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_QUALIFIED_RULE = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


def generated(base: str) -> str:
    """A name from ``generateName``: the base and five characters of Kubernetes' alphabet."""
    return base[:58] + "".join(secrets.choice(_ALPHABET) for _ in range(5))


def _too_long(most: int) -> str:
    return f"must be no more than {most} bytes"


def label_problems(name: str) -> list[str]:
    """What keeps a name from being an RFC 1123 label."""
    return ([_too_long(63)] if len(name) > 63 else []) + ([] if _DNS_LABEL.match(name) else [LABEL_RULE])


def subdomain_problems(name: str) -> list[str]:
    """What keeps a name from being an RFC 1123 subdomain."""
    return ([_too_long(253)] if len(name) > 253 else []) + ([] if _SUBDOMAIN.match(name) else [SUBDOMAIN_RULE])


def qualified_problems(name: str) -> list[str]:
    """What keeps a name from being a label's key: an optional prefix with a slash, then a name."""
    prefix, slash, bare = name.rpartition("/")
    if slash and not prefix:
        return ["prefix part must be non-empty"]
    found = [f"prefix part {text}" for text in subdomain_problems(prefix)] if slash else []
    if not bare:
        return [*found, "name part must be non-empty", _QUALIFIED_RULE]
    if len(bare) > 63:
        found.append("name part " + _too_long(63))
    return found if _QUALIFIED.match(bare) else [*found, _QUALIFIED_RULE]


def label_causes(labels: Mapping[str, Any], field: str) -> list[Cause]:
    """What is wrong with labels."""
    found = []
    for key, value in sorted(labels.items()):
        found += [invalid(field, golang.quoted(key), text) for text in qualified_problems(key)]
        texts = ([_too_long(63)] if len(value) > 63 else []) + ([] if _LABEL_VALUE.match(value) else [_VALUE_RULE])
        found += [invalid(field, golang.quoted(value), text) for text in texts]
    return found


def annotation_causes(annotations: Mapping[str, Any], field: str) -> list[Cause]:
    """What is wrong with annotations."""
    found = []
    for key in sorted(annotations):
        found += [invalid(field, golang.quoted(key), text) for text in qualified_problems(key.lower())]
    total = sum(len(key) + len(value) for key, value in annotations.items())
    if total > 256 * 1024:
        message = "Too long: may not be more than 262144 bytes"
        found.append(Cause(field=field, reason="FieldValueTooLong", message=message))
    return found
