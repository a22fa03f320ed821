"""The model as plain data and back. cattrs follows the types of the model, so a new field needs no code here."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import cattrs
from cattrs import gen

from harness.core import errors
from harness.model import cells, facts, records

Json = dict[str, Any]
_Added = Callable[[Any], Json]
# Python has taken the word.
_CLASS = gen.override(rename="class")


def plain(record: records.RunRecord) -> Json:
    """A record as data that JSON can hold; what equals its default is left out."""
    found: Json = _converter().unstructure(record)
    return found


def record(found: Mapping[str, Any]) -> records.RunRecord:
    """The record that such data was made from; raises ParseError if there is none."""
    try:
        return _converter().structure(found, records.RunRecord)
    except KeyError as error:
        raise errors.ParseError(f"{error} is missing") from error
    except (ValueError, TypeError) as error:
        raise errors.ParseError(str(error)) from error


@functools.cache
def _converter() -> cattrs.Converter:
    made = cattrs.Converter(detailed_validation=False, unstruct_collection_overrides={frozenset: sorted, tuple: list})
    for kind in (IPv4Address, IPv6Address):
        made.register_unstructure_hook(kind, str)
    for union in (facts.Address, facts.Address | None):
        made.register_structure_hook(union, lambda text, _: None if text is None else ip_address(text))
    made.register_unstructure_hook_factory(dataclasses.is_dataclass, lambda kind: _writer(kind, made))
    made.register_structure_hook(cells.Source, gen.make_dict_structure_fn(cells.Source, made, klass=_CLASS))
    return made


def _writer(kind: type[Any], made: cattrs.Converter) -> Callable[[Any], Json]:
    if kind is cells.Source:
        return gen.make_dict_unstructure_fn(kind, made, _cattrs_omit_if_default=True, klass=_CLASS)
    write = gen.make_dict_unstructure_fn(kind, made, _cattrs_omit_if_default=True)
    added = _ADDED.get(kind)
    return write if added is None else lambda item: {**added(item), **write(item)}


def _of_verdict(verdict: cells.Verdict) -> Json:
    address, port = verdict.cell.path.dialled
    return {"name": verdict.cell.name, "dialled": [str(address), port]}


def _of_phase(phase: records.PhaseRecord) -> Json:
    return {"outcome": phase.outcome.value, "dataplane": phase.phase.dataplane.value}


# What a reader with jq wants, and a reader of this project works out. A phase's outcome depends on all of its parts.
_ADDED: Mapping[type[Any], _Added] = {cells.Verdict: _of_verdict, records.PhaseRecord: _of_phase}
