"""What a mutation is: one thing that goes wrong, and what must notice it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from harness.model import words
from harness.selftest import world


class By(enum.Enum):
    """What part of the harness catches a mutation."""

    VERDICT = "verdict"
    DISAGREEMENT = "witnesses disagree"
    ACCOUNTING = "accounting"
    PROOF = "proof in the kernel"
    CONTROL = "control"
    ENVIRONMENT = "environment"
    SINGLE = "one witness only"
    REFUSAL = "refusal"


class Place(enum.Enum):
    """Where a mutation acts: on what is told of a cluster, or in a cluster."""

    EVIDENCE = "evidence"
    CLUSTER = "cluster"


@dataclass(frozen=True, kw_only=True)
class Catch:
    """How a mutation must be caught.

    Attributes:
        by: What must notice it.
        outcome: What the whole run must come to; None where nothing is run, because it is refused.
        text: What the sentence that names it must contain.
    """

    by: By
    outcome: words.Outcome | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Mutation:
    """One thing that goes wrong, or that only looks so.

    Attributes:
        name: Unique, for the command line.
        does: What it does, in one sentence.
        origin: Which hole of another checker, or which accident of the world it is.
        phase: The phase that it is played in.
        catch: How it must be caught; None for a harmless one, which must change nothing.
    """

    name: str
    does: str
    origin: str
    phase: words.Phase
    catch: Catch | None

    @property
    def place(self) -> Place:
        """Where it acts."""
        return Place.CLUSTER


@dataclass(frozen=True, kw_only=True)
class OfEvidence(Mutation):
    """A mutation of what is told, without any cluster.

    Attributes:
        change: Makes the mutated world of the healthy one.
    """

    change: Callable[[world.World], world.World]

    @property
    def place(self) -> Place:
        """Where it acts."""
        return Place.EVIDENCE


def failing(text: str, by: By = By.VERDICT) -> Catch:
    """Caught as a failure of the cluster that is measured."""
    return Catch(by=by, outcome=words.Outcome.FAIL, text=text)


def erring(text: str, by: By = By.VERDICT) -> Catch:
    """Caught as an error: it can be neither right nor wrong."""
    return Catch(by=by, outcome=words.Outcome.ERROR, text=text)


def invalid(text: str, by: By = By.VERDICT) -> Catch:
    """Caught as a run that proves nothing."""
    return Catch(by=by, outcome=words.Outcome.INVALID, text=text)
