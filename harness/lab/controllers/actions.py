"""What a controller can ask for: writes as values, so that a reconciler stays pure and a test reads what it wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.lab import api
from harness.lab.controllers import paths

Object = dict[str, Any]


class View(Protocol):
    """The cluster as last observed. What it hands out is shared and must not be changed."""

    def items(self, path: str) -> list[Object]:
        """The objects of a collection, ordered by namespace and name."""

    def get(self, path: str, name: str, namespace: str = "") -> Object | None:
        """One object of a collection, or None."""


@dataclass(frozen=True, kw_only=True)
class Create:
    """POST an object to a collection, or to a subresource of one object such as a pod's ``binding``."""

    path: str
    body: Object
    namespace: str = ""
    name: str = ""
    subresource: str = ""


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Merge a patch into an object or into its status; with a resourceVersion in it, only if nobody wrote since."""

    path: str
    name: str
    body: Object
    namespace: str = ""
    subresource: str = ""


@dataclass(frozen=True, kw_only=True)
class Replace:
    """PUT an object, or a subresource of it such as a namespace's ``finalize``."""

    path: str
    name: str
    body: Object
    namespace: str = ""
    subresource: str = ""


@dataclass(frozen=True, kw_only=True)
class Delete:
    """DELETE an object.

    Attributes:
        uid: Whose: an object of the same name that came later stays.
        unless: Owners (collection, name, namespace, uid) of which none may exist when it is deleted; they are read
            anew, since two collections' copies do not change in step.
    """

    path: str
    name: str
    uid: str
    namespace: str = ""
    unless: Sequence[tuple[str, str, str, str]] = field(default=())


@dataclass(frozen=True, kw_only=True)
class DeleteAll:
    """DELETE a whole collection of one namespace, of a kind that the controllers keep no copy of."""

    path: str
    namespace: str
    name: str = ""


Action = Create | Patch | Replace | Delete | DeleteAll


Reconciler = Callable[[View, str], list[Action]]
"""The shape of every controller: pure, from what is observed, and the time as the API writes it, to the writes due."""


def perform(client: api.Api, action: Action) -> Object:
    """Carry one write out and return the API's answer.

    Raises:
        ApiError: The API refused, or was not there.
    """
    match action:
        case Create():
            if action.subresource:
                target = paths.single(action.path, action.name, action.namespace, action.subresource)
            else:
                target = paths.collection(action.path, action.namespace)
            return client.create(target, action.body)
        case Patch():
            target = paths.single(action.path, action.name, action.namespace, action.subresource)
            return client.patch(target, action.body)
        case Replace():
            target = paths.single(action.path, action.name, action.namespace, action.subresource)
            return client.update(target, action.body)
        case Delete():
            return client.delete(paths.single(action.path, action.name, action.namespace))
        case DeleteAll():
            return client.delete(paths.collection(action.path, action.namespace))
