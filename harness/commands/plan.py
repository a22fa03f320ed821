"""``sourceip plan``: what must be seen, before anything is measured, and without any cluster."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import tabulate

from harness.core import errors
from harness.model import cells, facts_file, matrix, named, words
from harness.oracle import planning
from harness.oracle.planning import Prediction
from harness.report import folding

EXAMPLE = Path(facts_file.__file__).with_name("example.facts.json")
SCHEMA = "sourceip/plan"
VERSION = 1

DESCRIPTION = """\
Print which source address every cell of the matrix must show, by exact address, as the oracle
predicts it from facts alone. Nothing is sent; neither root nor a cluster is needed. Without --facts
the cluster is a three-node kind cluster as Calico names it.

A cell is CLIENT[@PLACE]/ENTRY/TARGET/PROTOCOL/BACKEND:
  CLIENT    external, gateway (the machine that hosts the nodes), pod, host (a host-network pod)
  PLACE     the client's node: entry (the one that is dialled), backend, other,
            itself (the backend dials itself)
  ENTRY     the dialled node is with or without a backend; - where no node is dialled
  TARGET    NodePort-Cluster, NodePort-Local (externalTrafficPolicy), ClusterIP-Cluster,
            ClusterIP-Local (internalTrafficPolicy), pod-address
  PROTOCOL  HTTP, TCP, UDP, UDP-unconnected
  BACKEND   pod, host
In the table UDPu is UDP-unconnected, and to is the backend.
"""

EPILOG = f"""\
examples:
  sourceip plan --dataplane BPF
  sourceip plan --cell external/without/NodePort-Cluster/HTTP/pod
  sourceip plan --cell calico-12        (row 12 of Calico's own table; also k8s-*, hairpin-*)
  sourceip plan --facts my.facts.json --json

confirmed says what stands behind a prediction: recorded (seen on a real cluster, address by
address), documented (read in the dataplane's code or documentation), unconfirmed (inferred).
"observed" was seen, but nobody knows why: a deviation there is a warning and never a failure.
"not known" is an answer too: it is not guessed.

A facts file is JSON of schema {facts_file.SCHEMA}, version {facts_file.VERSION}; start from the example:
  {EXAMPLE.parent.parent.name}/{EXAMPLE.parent.name}/{EXAMPLE.name}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Teach a parser this command's options."""
    parser.description = DESCRIPTION
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--facts", type=Path, metavar="FILE", help="what is known of the cluster (default: an example)")
    parser.add_argument(
        "--dataplane",
        choices=[dataplane.value for dataplane in words.Dataplane],
        help="predict for this one instead of the facts' own",
    )
    parser.add_argument("--cell", metavar="NAME", help="tell all about this one cell")
    parser.add_argument("--json", action="store_true", help=f"print JSON of schema {SCHEMA}, version {VERSION}")


def run(args: argparse.Namespace) -> int:
    """Print the plan.

    Raises:
        UsageError: The facts can't be read, or there is no such cell.
    """
    document = _read(args.facts or EXAMPLE)
    dataplane = words.Dataplane(args.dataplane) if args.dataplane else document.dataplane
    one = args.cell is not None
    rows = (_row(args.cell),) if one else matrix.ROWS
    found = [planning.predict(row, dataplane, document.facts) for row in rows]
    if args.json:
        text = json.dumps(document_of(dataplane, found), indent=1)
    else:
        text = details(dataplane, found[0]) if one else table(dataplane, found)
    sys.stdout.write(text + "\n")
    return 0


def _read(path: Path) -> facts_file.Document:
    try:
        return facts_file.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UsageError(f"--facts: {error}") from error
    except errors.ParseError as error:
        raise errors.UsageError(f"--facts: {path}: {error}") from error


def _row(name: str) -> matrix.Row:
    try:
        return named.row(name)
    except KeyError:
        raise errors.UsageError(f"--cell: no cell {name!r}; sourceip plan lists them") from None


def table(dataplane: words.Dataplane, found: Sequence[Prediction]) -> str:
    """All predictions as a table of at most 100 columns; protocols that share one are in one line."""
    lines = [_line(list(group)) for _, group in groupby(_ordered(found), key=_shared)]
    drawn = tabulate.tabulate(
        lines,
        headers=("cell", "over", "to", "expected", "confirmed"),
        tablefmt="simple",
        maxcolwidths=[37, 12, 4, 27, 11],
    )
    return "\n".join([f"predicted for {dataplane.value}: {len(found)} cells", "", drawn, *_missing(found)])


def _ordered(found: Iterable[Prediction]) -> list[Prediction]:
    # One line is made of the protocols of one path and backend that share a prediction, in the matrix's order.
    placed = [item for item in found if item.path is not None]
    order: dict[tuple[str, ...], int] = {}
    for item in placed:
        order.setdefault(_shared(item), len(order))
    return sorted(placed, key=lambda item: order[_shared(item)])


def _shared(item: Prediction) -> tuple[str, ...]:
    return item.row.path_name, _backend(item.row), _expected(item), _confirmed(item)


def _line(group: Sequence[Prediction]) -> tuple[str, ...]:
    path_name, backend, expected, confirmed = _shared(group[0])
    return path_name, folding.spoken(item.row.protocol for item in group), backend, expected, confirmed


def _backend(row: matrix.Row) -> str:
    return "host" if row.host_backend else "pod"


def _expected(item: Prediction) -> str:
    if item.expectation is None:
        return "not known"
    silent = isinstance(item.expectation, cells.NoAnswer)
    return f"no answer: {item.expectation.text}" if silent else item.expectation.text


def _confirmed(item: Prediction) -> str:
    if item.expectation is None:
        return "-"
    return "observed" if item.expectation.observed else item.expectation.confirmed.value


def _missing(found: Iterable[Prediction]) -> list[str]:
    reasons = Counter(item.reason for item in found if item.path is None)
    lines = [f"  {count:3} x {reason}" for reason, count in reasons.items()]
    return ["", f"{sum(reasons.values())} cells have no place in these facts:", *lines] if lines else []


def details(dataplane: words.Dataplane, item: Prediction) -> str:
    """All about one prediction."""
    names = ", ".join(named.names_of(item.row))
    head = [f"{item.row.name} under {dataplane.value}", f"  also called  {names}" if names else ""]
    where = [f"  path         {item.path.text}"] if item.path is not None else []
    rest = _evidence(item) if item.expectation is not None else [f"  not known    {item.reason}"]
    return "\n".join(line for line in [*head, *where, *rest] if line)


def _evidence(item: Prediction) -> list[str]:
    expected = item.expectation
    told = expected.sources if isinstance(expected, cells.Answer) else (expected,)
    lines = [f"  expected     {_expected(item)}", f"  confirmed    {_confirmed(item)}"]
    for because, cited in dict.fromkeys((entry.because, entry.cited) for entry in told if entry is not None):
        lines += [f"  because      {because}", f"  source       {cited}"]
    return lines


def document_of(dataplane: words.Dataplane, found: Iterable[Prediction]) -> dict[str, Any]:
    """The plan as a JSON document."""
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "dataplane": dataplane.value,
        "cells": [_cell_of(item) for item in found],
    }


def _cell_of(item: Prediction) -> dict[str, Any]:
    return {
        "name": item.row.name,
        "names": list(named.names_of(item.row)),
        "path": item.path.text if item.path is not None else None,
        "expectation": _expectation_of(item.expectation) if item.expectation is not None else None,
        "reason": item.reason,
    }


def _expectation_of(expected: cells.Expectation) -> dict[str, Any]:
    said: dict[str, Any] = {"confirmed": expected.confirmed.value, "observed": expected.observed}
    if isinstance(expected, cells.NoAnswer):
        silence = sorted(how.value for how in expected.how)
        return {**said, "silence": silence, "because": expected.because, "cited": expected.cited}
    return {**said, "sources": [_source_of(source) for source in expected.sources]}


def _source_of(source: cells.Source) -> dict[str, str]:
    return {
        "address": str(source.address),
        "class": source.klass.value,
        "backend": source.backend,
        "because": source.because,
        "cited": source.cited,
    }
