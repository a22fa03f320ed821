"""Which form the answer takes: the ``Accept`` header against what the server writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.lab.apiserver import decoding, statuses

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
_SHAPES: tuple[Shape, ...] = ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form of an answer.

    Attributes:
        media: ``application/json`` or ``application/yaml``.
        shape: What objects are turned into; empty leaves them as they are.
        content_type: What the answer says that it is.
    """

    media: str = decoding.JSON
    shape: Shape = ""

    @property
    def content_type(self) -> str:
        """The answer's ``Content-Type``."""
        return self.media


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One alternative of an ``Accept`` header.

    Attributes:
        media: The media type.
        parameters: Its parameters.
    """

    media: str
    parameters: dict[str, str]


def clauses(header: str) -> list[Clause]:
    """The alternatives of an ``Accept`` header, in their order; ``*/*`` where there is none."""
    found = []
    for text in (header or "*/*").split(","):
        media, *pairs = [part.strip() for part in text.split(";")]
        parameters = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        found.append(Clause(media=media.lower(), parameters=parameters))
    return found


def chosen(header: str) -> Form:
    """The first alternative that the server writes.

    Raises:
        Refusal: It writes none of them (406).
    """
    for clause in clauses(header):
        form = _form(clause)
        if form is not None:
            return form
    raise statuses.not_acceptable(decoding.BODY_TYPES)


def _form(clause: Clause) -> Form | None:
    media = decoding.JSON if clause.media in ("*/*", "application/*") else clause.media
    wanted = clause.parameters.get("as", "")
    known = clause.parameters.get("g", "meta.k8s.io") == "meta.k8s.io" and clause.parameters.get("v", "v1") == "v1"
    if media not in (decoding.JSON, decoding.YAML) or not known:
        return None
    return next((Form(media=media, shape=shape) for shape in _SHAPES if shape == wanted), None)
