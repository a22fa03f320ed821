"""A run as JUnit XML: a suite a phase, a case a cell, and one for the phase's own coming into force."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from harness.model import cells, records, words

# XML 1.0 has no way to write these, and an error's text may hold them.
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_KINDS = {
    words.Outcome.FAIL: "failure",
    words.Outcome.INVALID: "error",
    words.Outcome.ERROR: "error",
    words.Outcome.SKIP: "skipped",
}


def render(record: records.RunRecord) -> str:
    """The whole run as one ``testsuites`` document."""
    root = ElementTree.Element("testsuites", name="sourceip")
    for phase in record.phases:
        root.append(_suite(record, phase))
    for what, reason in record.skipped.items():
        suite = _with_counts("sourceip.skipped", [_skipped(what, reason)], record.started)
        root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(record: records.RunRecord, phase: records.PhaseRecord) -> ElementTree.Element:
    cases = [_in_force(phase), *(_case(verdict) for verdict in phase.verdicts)]
    suite = _with_counts(f"sourceip.{phase.phase.value}", cases, record.started)
    about = {
        "provider": record.provider,
        "dataplane": record.description,
        "client": str(record.client.address),
        "converged_s": str(phase.converged_s),
        **{f"proof.{node}": text for node, text in phase.proof.items()},
    }
    suite.insert(0, _properties(about))
    return suite


def _with_counts(name: str, cases: list[ElementTree.Element], started: str) -> ElementTree.Element:
    counts = {
        f"{kind}s" if kind != "skipped" else kind: str(sum(case.find(kind) is not None for case in cases))
        for kind in ("failure", "error", "skipped")
    }
    suite = ElementTree.Element("testsuite", {"name": name, "tests": str(len(cases)), "timestamp": started, **counts})
    suite.extend(cases)
    return suite


def _in_force(phase: records.PhaseRecord) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=f"sourceip.{phase.phase.value}",
        name=f"{phase.phase.dataplane.value} is in force on every node",
        time=f"{phase.converged_s or 0:.3f}",
    )
    if phase.trouble:
        ElementTree.SubElement(case, "failure", message=_clean(phase.trouble))
    return case


def _case(verdict: cells.Verdict) -> ElementTree.Element:
    longest_s = max((sample.reply.latency_ms for sample in verdict.samples), default=0.0) / 1000
    case = ElementTree.Element(
        "testcase", classname=f"sourceip.{verdict.cell.phase.value}", name=verdict.cell.name, time=f"{longest_s:.3f}"
    )
    case.append(
        _properties(
            {
                "expected": verdict.expectation.text,
                "seen": verdict.seen_text,
                "right": f"{verdict.right} of {verdict.total}",
                "outcome": verdict.outcome.value,
            }
        )
    )
    kind = _KINDS.get(verdict.outcome)
    if kind is not None:
        found = ElementTree.SubElement(case, kind, message=_clean(verdict.sentence))
        found.text = _clean("\n".join(_evidence(verdict)))
    return case


def _evidence(verdict: cells.Verdict) -> Iterable[str]:
    for sample in verdict.samples:
        told = ", ".join(f"{item.witness.value}: {item.backend} saw {item.address}" for item in sample.accounts)
        said = sample.reply.error or "answered"
        yield f"{sample.token}: status {sample.reply.status}, {said}, {told or 'no account'}"


def _skipped(what: str, reason: str) -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname="sourceip.skipped", name=what)
    ElementTree.SubElement(case, "skipped", message=_clean(reason))
    return case


def _properties(values: dict[str, str]) -> ElementTree.Element:
    element = ElementTree.Element("properties")
    for name, value in values.items():
        ElementTree.SubElement(element, "property", name=name, value=_clean(value))
    return element


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("?", text)
