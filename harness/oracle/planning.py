"""The predicted matrix of a cluster: every cell, where it is there, and what must be seen in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import cells, facts, laying, matrix, paths, words
from harness.oracle import predictions


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is predicted for one cell of the matrix.

    Attributes:
        row: The cell.
        path: Where it is in the cluster; None if nothing there fits.
        expectation: What must be seen; None if that is not known.
        reason: Why there is no path or no expectation; empty if there are both.
    """

    row: matrix.Row
    path: paths.Path | None
    expectation: cells.Expectation | None
    reason: str = ""


def predict(row: matrix.Row, dataplane: words.Dataplane, known: facts.Facts) -> Prediction:
    """The prediction for one cell; what cannot be said is part of it, with the reason."""
    try:
        path = laying.lay(row, known)
    except laying.NoPlace as error:
        return Prediction(row=row, path=None, expectation=None, reason=str(error))
    try:
        expected = predictions.expect_on(path, dataplane, known)
    except cells.NoPrediction as error:
        return Prediction(row=row, path=path, expectation=None, reason=str(error))
    return Prediction(row=row, path=path, expectation=expected)


def predict_all(dataplane: words.Dataplane, known: facts.Facts) -> tuple[Prediction, ...]:
    """The prediction for every cell of the matrix, in its order."""
    return tuple(predict(row, dataplane, known) for row in matrix.ROWS)
