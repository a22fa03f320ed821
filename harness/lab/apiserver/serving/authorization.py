"""Who may ask for what: RBAC objects from a file, for the users that their bindings name.

Everybody else in a lab may do everything. Rules, and the sentence of a refusal, are those of Kubernetes' RBAC; of its
subjects only service accounts are known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from harness.core import errors
from harness.lab.apiserver import options, statuses
from harness.lab.apiserver.serving import authentication, targets

Object = dict[str, Any]

# aiohttp before 3.14 has no keys of a type of their own, and newer ones warn of a text.
USER: Any = getattr(web, "RequestKey", lambda name, _type: name)("user", authentication.User)
"""The key of a request under which its user is kept."""
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """What is asked for, as RBAC sees it.

    Attributes:
        verb: Such as ``list``.
        group: The API group.
        resource: The plural name, with a subresource after a slash.
        namespace: Empty for the whole cluster.
        name: Empty for a collection.
    """

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One rule, bound to one user.

    Attributes:
        user: The user's name.
        namespace: Where it holds; empty for everywhere.
        rule: A ``PolicyRule``.
    """

    user: str
    namespace: str
    rule: Mapping[str, Sequence[str]]

    def allows(self, asked: Attributes) -> bool:
        """Whether it allows that."""
        wanted = {"verbs": asked.verb, "apiGroups": asked.group, "resources": asked.resource}
        names = self.rule.get("resourceNames") or ()
        return (
            self.namespace in ("", asked.namespace)
            and all(value in self.rule[field] or "*" in self.rule[field] for field, value in wanted.items())
            and (not names or asked.name in names)
        )


class Rules:
    """What restricted users may do."""

    def __init__(self, grants: Sequence[Grant] = ()) -> None:
        self._grants = tuple(grants)
        self._restricted = frozenset(grant.user for grant in grants)

    @classmethod
    def read(cls, path: Path) -> Rules:
        """Read a file of RBAC objects; without one nobody is restricted.

        Raises:
            ParseError: It can't be read, or a binding leads nowhere.
        """
        if not path.exists():
            return cls()
        try:
            return cls(list(granted(json.loads(path.read_bytes()))))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise errors.ParseError(f"{path}: not a list of RBAC objects: {error}") from error

    def allow(self, user: authentication.User, asked: Attributes) -> bool:
        """Whether a user may do that."""
        mine = (grant for grant in self._grants if grant.user == user.name)
        return user.name not in self._restricted or any(grant.allows(asked) for grant in mine)

    def check(
        self, user: authentication.User, request: web.Request, target: targets.Target, is_there: Callable[[], bool]
    ) -> None:
        """Refuse a request that its user may not make.

        Raises:
            Refusal: Forbidden (403).
        """
        if user.name not in self._restricted or target.resource.kind == "SelfSubjectAccessReview":
            return
        for verb in _verbs(request, target, is_there):
            asked = attributes(verb, target)
            if not self.allow(user, asked):
                raise statuses.forbidden(target.resource, target.name, sentence(user.name, asked))


def _verbs(request: web.Request, target: targets.Target, is_there: Callable[[], bool]) -> Iterator[str]:
    """What a request is authorised as; server-side apply of what is not there makes it."""
    if request.method == "GET":
        collection = "watch" if options.truth(request.query.get("watch", "")) else "list"
        yield "get" if target.name else collection
        return
    verb = _VERBS.get(request.method, request.method.lower())
    yield "deletecollection" if verb == "delete" and not target.name else verb
    if request.headers.get("Content-Type", "").startswith(_APPLY) and not is_there():
        yield "create"


def attributes(verb: str, target: targets.Target) -> Attributes:
    """What a target is to RBAC. Pure."""
    part = f"/{target.subresource}" if target.subresource else ""
    return Attributes(
        verb=verb,
        group=target.resource.group,
        resource=f"{target.resource.plural}{part}",
        namespace=target.namespace,
        name=target.name,
    )


def reviewed(review: Object) -> Attributes:
    """What a SelfSubjectAccessReview asks about. Pure."""
    asked = (review.get("spec") or {}).get("resourceAttributes") or {}
    part = f"/{asked['subresource']}" if asked.get("subresource") else ""
    return Attributes(
        verb=asked.get("verb", ""),
        group=asked.get("group", ""),
        resource=f"{asked.get('resource', '')}{part}",
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
    )


def sentence(user: str, asked: Attributes) -> str:
    """Why not, in Kubernetes' words. Pure."""
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    what = f'cannot {asked.verb} resource "{asked.resource}" in API group "{asked.group}"'
    return f'User "{user}" {what} {where}'


def granted(objects: Sequence[Object]) -> Iterator[Grant]:
    """All grants of these objects; LookupError if a binding names a role that is not among them. Pure."""
    roles = {_key(item): item.get("rules") or () for item in objects if item["kind"] in ("Role", "ClusterRole")}
    for item in objects:
        if item["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        namespace = item["metadata"].get("namespace", "")
        role = item["roleRef"]
        for rule in roles[role["kind"], namespace if role["kind"] == "Role" else "", role["name"]]:
            for subject in item["subjects"]:
                user = f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
                yield Grant(user=user, namespace=namespace, rule=rule)


def _key(item: Object) -> tuple[str, str, str]:
    return item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"]
