"""What must not leave a cluster with the evidence: secrets, wherever they stand. Pure.

Objects are walked by key and by kind; text is searched for what has the form of a credential. Both err on the side
of hiding: a reader of evidence needs addresses, rules and counters, and never a password.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "(hidden)"

# A name with one of these words in it has a value that is nobody's business.
_SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|credential|client-key-data"
    r"|authorization|dockercfg|dockerconfigjson|cookie",
    re.IGNORECASE,
)
# Names that only speak of secrets: where they are, whether they are mounted.
_HARMLESS_NAME = re.compile(
    r"secretName|secretRef|secretKeyRef|automountServiceAccountToken|serviceAccountToken|imagePullSecrets|secrets"
    r"|tokenExpirationSeconds|expirationSeconds"
)
_TEXT = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # A JSON Web Token: three parts, of which the first two begin as base64 of '{"'.
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    re.compile(r"(?i)\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"),
    # The user and password in an address.
    re.compile(r"(?<=://)[^/\s:@\"']+:[^/\s@\"']+(?=@)"),
    re.compile(
        r"(?i)(?:\"|')?[\w.-]*(?:passw(?:or)?d|secret|token|api[-_]?key|private[-_]?key|access[-_]?key|client-key-data)"
        r"(?:\"|')?\s*[=:]\s*(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s,;&\"'}]+)"
    ),
)
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def text(said: str) -> str:
    """A text without what has the form of a credential."""
    for pattern in _TEXT:
        said = pattern.sub(HIDDEN, said)
    return said


def data(said: bytes) -> bytes:
    """Bytes without what has the form of a credential; bytes that are no UTF-8 come out as they went in."""
    return text(said.decode("utf-8", errors="surrogateescape")).encode("utf-8", errors="surrogateescape")


def objects(said: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """API objects without secrets: no Secret's data, no value of a secret name, no text that looks like one."""
    if isinstance(said, Mapping):
        return _object(said)
    if isinstance(said, list):
        return [objects(item) for item in said]
    return text(said) if isinstance(said, str) else said


def _object(said: Mapping[str, Any]) -> dict[str, Any]:
    if said.get("kind") in ("Secret", "SecretList"):
        return {key: objects(value) for key, value in said.items() if key in ("kind", "apiVersion", "metadata", "type")}
    # A container's variable says its name beside its value.
    named = isinstance(said.get("name"), str) and is_secret_name(said["name"])
    return {key: _value(key, value, named) for key, value in said.items() if key != _LAST_APPLIED}


def _value(key: str, value: Any, named: bool) -> Any:  # noqa: ANN401 - whatever JSON holds
    if isinstance(value, str) and value and (is_secret_name(key) or (named and key == "value")):
        return HIDDEN
    return objects(value)


def is_secret_name(name: str) -> bool:
    """Whether the value that goes by that name is nobody's business."""
    return bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.fullmatch(name)
