"""A run as JSON: versioned, complete, stable in its order."""

from __future__ import annotations

import json
from typing import Any

from harness.model import cells, records

VERSION = 1


def render(record: records.RunRecord) -> str:
    """The whole record as JSON text, with a newline at its end."""
    return json.dumps(document(record), indent=1, ensure_ascii=False) + "\n"


def document(record: records.RunRecord) -> dict[str, Any]:
    """The whole record as plain data; ``version`` changes whenever a reader would have to."""
    return {
        "kind": "sourceip.run",
        "version": VERSION,
        "passed": record.passed,
        "provider": record.provider,
        "description": record.description,
        "client": {"kind": record.client.kind.value, "address": str(record.client.address)},
        "samples": record.samples,
        "started": record.started,
        "timings_s": dict(record.timings_s),
        "memory_mib": record.memory_mib,
        "skipped": dict(record.skipped),
        "phases": [_phase(phase) for phase in record.phases],
    }


def _phase(phase: records.PhaseRecord) -> dict[str, Any]:
    return {
        "phase": phase.phase.value,
        "dataplane": phase.phase.dataplane.value,
        "switched": phase.switched,
        "proof": dict(phase.proof),
        "proven_s": phase.proven_s,
        "converged_s": phase.converged_s,
        "trouble": phase.trouble,
        "cells": [_cell(verdict) for verdict in phase.verdicts],
    }


def _cell(verdict: cells.Verdict) -> dict[str, Any]:
    cell = verdict.cell
    return {
        "name": cell.name,
        "client": cell.client.kind.value,
        "entry_node": cell.entry.name if cell.entry else None,
        "dialled": _endpoint(cell.path.dialled),
        "service": f"{cell.destination.namespace}/{cell.destination.service}",
        "policy": cell.policy.value,
        "protocol": cell.destination.protocol.value,
        "backends": [{"pod": f"{pod.namespace}/{pod.name}", "node": pod.node} for pod in cell.destination.backends],
        "expected": _expected(verdict.expectation),
        "outcome": verdict.outcome.value,
        "right": verdict.right,
        "total": verdict.total,
        "seen": dict(verdict.seen),
        "reasons": list(verdict.reasons),
        "samples": [_sample(sample) for sample in verdict.samples],
    }


def _expected(expectation: cells.Expectation) -> dict[str, Any]:
    if isinstance(expectation, cells.NoAnswer):
        return {"silence": sorted(how.value for how in expectation.how), "because": expectation.because}
    return {
        "sources": [
            {
                "address": str(source.address),
                "class": source.klass.value,
                "backend": source.backend,
                "because": source.because,
            }
            for source in expectation.sources
        ]
    }


def _sample(sample: cells.Sample) -> dict[str, Any]:
    reply = sample.reply
    return {
        "token": sample.token,
        "status": reply.status,
        "silence": reply.silence.value if reply.silence else None,
        "error": reply.error,
        "local": _endpoint(reply.local),
        "peer": _endpoint(reply.peer),
        "latency_ms": reply.latency_ms,
        "accounts": [
            {
                "witness": item.witness.value,
                "backend": item.backend,
                "address": str(item.address),
                "port": item.port,
                "status": item.status,
                "detail": item.detail,
            }
            for item in sample.accounts
        ],
    }


def _endpoint(pair: tuple[Any, int] | None) -> str | None:
    return f"{pair[0]}:{pair[1]}" if pair is not None else None
