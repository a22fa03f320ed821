"""Who asks: bearer tokens from a file, in the form of kube-apiserver's static token file."""

from __future__ import annotations

import csv
import hmac
from dataclasses import dataclass
from pathlib import Path

from harness.core import errors
from harness.lab.apiserver import statuses

OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
"""What everybody may read, as the role ``system:public-info-viewer`` has it."""


@dataclass(frozen=True, kw_only=True)
class User:
    """Who a token stands for.

    Attributes:
        name: The user's name.
        uid: The user's uid.
        groups: The user's groups.
    """

    name: str
    uid: str
    groups: tuple[str, ...]


class Tokens:
    """The tokens that were given out."""

    def __init__(self, users: dict[str, User]) -> None:
        self._users = users

    @classmethod
    def read(cls, path: Path) -> Tokens:
        """Read a token file: ``token,user,uid,"group1,group2"``.

        Raises:
            ParseError: It is not there, or a line has fewer than three fields.
        """
        try:
            with path.open(newline="") as lines:
                rows = [row for row in csv.reader(lines) if row and not row[0].startswith("#")]
            users = {
                token: User(name=name, uid=uid, groups=tuple(filter(None, ",".join(rest).split(","))))
                for token, name, uid, *rest in rows
            }
        except (OSError, ValueError) as error:
            raise errors.ParseError(f"{path}: not a token file: {error}") from error
        return cls(users)

    def user(self, authorization: str) -> User:
        """Who an ``Authorization`` header stands for.

        Raises:
            Refusal: Nobody (401).
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            for known, user in self._users.items():
                if hmac.compare_digest(known.encode(), token.strip().encode()):
                    return user
        raise statuses.unauthorized()
