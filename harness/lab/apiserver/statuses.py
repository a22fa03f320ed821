"""Refusals in Kubernetes' own words: the ``Status`` objects that a request is answered with when it fails.

The sentences, reasons and codes are those of the recorded API server (v1.36.2) and of apimachinery's public error
constructors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core import errors
from harness.lab.apiserver import registry

Object = dict[str, Any]


class Refusal(errors.HarnessError):
    """A request that is answered with a ``Status`` of failure.

    Attributes:
        code: The HTTP status.
        reason: Kubernetes' word for it; may be empty.
        message: The sentence.
        details: The ``details`` of the Status; None leaves them out.
        headers: HTTP headers of the answer.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        super().__init__(f"{code} {reason}: {message}")

    def status(self) -> Object:
        """The Status object."""
        body: Object = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        }  # fmt: skip
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that is wrong with one field.

    Attributes:
        field: Its path, such as ``spec.ports[0].nodePort``.
        reason: Such as ``FieldValueInvalid``.
        message: What is wrong, without the path.
    """

    field: str
    reason: str
    message: str

    def as_object(self) -> Object:
        """The form that it has in a Status."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def required(field: str, detail: str = "") -> Cause:
    """The field must have a value."""
    return Cause(field=field, reason="FieldValueRequired", message="Required value" + (f": {detail}" if detail else ""))


def invalid(field: str, shown: str, detail: str) -> Cause:
    """The field's value is wrong; ``shown`` is the value as Go prints it."""
    return Cause(field=field, reason="FieldValueInvalid", message=f"Invalid value: {shown}: {detail}")


def unsupported(field: str, value: str, allowed: Sequence[str]) -> Cause:
    """The field's value is none of those that there are."""
    listed = ", ".join(f'"{item}"' for item in allowed)
    return Cause(
        field=field,
        reason="FieldValueNotSupported",
        message=f'Unsupported value: "{value}": supported values: {listed}',
    )


def forbidden_field(field: str, detail: str) -> Cause:
    """The field may not be set here."""
    return Cause(field=field, reason="FieldValueForbidden", message=f"Forbidden: {detail}")


def duplicate(field: str, shown: str) -> Cause:
    """The value is there twice."""
    return Cause(field=field, reason="FieldValueDuplicate", message=f"Duplicate value: {shown}")


def not_found_field(field: str, shown: str) -> Cause:
    """The value names something that is not there."""
    return Cause(field=field, reason="FieldValueNotFound", message=f"Not found: {shown}")


def _details(resource: registry.Resource, name: str) -> Object:
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": resource.plural}


def not_found(resource: registry.Resource, name: str) -> Refusal:
    """There is no such object."""
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', _details(resource, name))


def already_exists(resource: registry.Resource, name: str) -> Refusal:
    """The name is taken."""
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', _details(resource, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: registry.Resource, name: str, why: str = MODIFIED) -> Refusal:
    """Somebody else wrote in between, or a precondition does not hold."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", message, _details(resource, name))


def invalid_kind(group: str, kind: str, name: str, causes: Sequence[Cause]) -> Refusal:
    """The object breaks rules: all causes together, one of them without brackets."""
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in causes))
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    details: Object = {"name": name} if name else {}
    if group:
        details["group"] = group
    if kind:
        details["kind"] = kind
    details["causes"] = [cause.as_object() for cause in causes]
    return Refusal(422, "Invalid", f'{qualified} "{name}" is invalid: {listed}', details)


def invalid_object(resource: registry.Resource, name: str, causes: Sequence[Cause]) -> Refusal:
    """The object breaks rules of its kind."""
    return invalid_kind(resource.group, resource.kind, name, causes)


def bad_request(message: str) -> Refusal:
    """The request makes no sense."""
    return Refusal(400, "BadRequest", message)


def forbidden(resource: registry.Resource, name: str, why: str, causes: Sequence[Cause] = ()) -> Refusal:
    """The request is understood and not allowed."""
    details = _details(resource, name)
    if causes:
        details["causes"] = [cause.as_object() for cause in causes]
    what = f'{resource.qualified} "{name}"' if name else resource.qualified
    return Refusal(403, "Forbidden", f"{what} is forbidden: {why}", details)


def unauthorized() -> Refusal:
    """The request has no token, or one that nobody gave out."""
    return Refusal(401, "Unauthorized", "Unauthorized")


def no_such_resource() -> Refusal:
    """The path names no resource that the server has."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed(resource: registry.Resource | None = None) -> Refusal:
    """The resource has no such verb."""
    details: Object = {}
    if resource is not None:
        details = ({"group": resource.group} if resource.group else {}) | {"kind": resource.plural}
    return Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details)


def not_acceptable(offered: Sequence[str]) -> Refusal:
    """None of the forms that the client takes is one that the server writes."""
    listed = ", ".join(offered)
    message = f"only the following media types are accepted: {listed}"
    return Refusal(406, "NotAcceptable", message)


def unsupported_media_type(accepted: Sequence[str]) -> Refusal:
    """The body has a form that the server does not read."""
    listed = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    return Refusal(415, "UnsupportedMediaType", message)


def unsupported_patch_type() -> Refusal:
    """The patch has a form that the server does not read (the wording is the recorded one)."""
    return Refusal(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def too_large(most: int) -> Refusal:
    """The body has more bytes than the server takes."""
    return Refusal(413, "RequestEntityTooLarge", f"Request entity too large: limit is {most}", {})


def expired(message: str) -> Refusal:
    """The resourceVersion is too old: list anew."""
    return Refusal(410, "Expired", message)


def internal(message: str) -> Refusal:
    """Something behind the server failed."""
    return Refusal(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def success(resource: registry.Resource, name: str, uid: str) -> Object:
    """The Status that a finished deletion is answered with."""
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": _details(resource, name) | {"uid": uid},
    }  # fmt: skip
