"""A run as JUnit XML: a suite a phase, a case a cell, and one for the phase's own coming into force."""

from __future__ import annotations

import re
from collections.abc import Iterable
from xml.etree import ElementTree

from harness.model import cells, records, words
from harness.report import counts, findings, folding

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
    suites = [_suite(record, phase) for phase in record.phases]
    others = [*_of_the_run(record), *(_skipped(what, reason) for what, reason in record.skipped.items())]
    if others:
        suites.append(_with_counts("sourceip.run", others, record.started))
    totals = {name: str(sum(int(suite.get(name, "0")) for suite in suites)) for name in ("tests", "failures", "errors")}
    root = ElementTree.Element("testsuites", {"name": "sourceip", **totals})
    root.extend(suites)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(record: records.RunRecord, phase: records.PhaseRecord) -> ElementTree.Element:
    name = f"sourceip.{phase.phase.value}"
    controls = (
        _case_of(name, f"control {control.name}", error="" if control.held else control.text, said=control.text)
        for control in phase.controls
    )
    left_out = (_skipped(item.row.name, f"{item.reason.value}: {item.detail}", name) for item in phase.skipped)
    cases = [_in_force(phase), *controls, *(_case(verdict) for verdict in phase.verdicts), *left_out]
    suite = _with_counts(name, cases, record.started)
    about = {
        "provider": record.provider,
        "dataplane": record.description,
        "client": str(record.client.address) if record.client is not None else record.client_text,
        "outcome": phase.outcome.value,
        "converged_s": str(phase.converged_s),
        "proven_s": str(phase.proven_s),
        **{f"proof.{node}": text for node, text in phase.proof.items()},
    }
    suite.insert(0, _properties(about))
    return suite


def _of_the_run(record: records.RunRecord) -> Iterable[ElementTree.Element]:
    """What concerns no phase: the environment, the run's own end, and what it never came to."""
    for finding in record.environment:
        name = f"environment {finding.cause}, {finding.where}"
        yield _case_of("sourceip.run", name, error=finding.sentence if finding.blocking else "", said=finding.sentence)
    if record.interrupted:
        yield _case_of("sourceip.run", "the run came to its end", error=record.interrupted)
    for phase in counts.missing(record):
        yield _case_of("sourceip.run", f"phase {phase.value}", error="was never run")


def _case_of(classname: str, name: str, *, error: str = "", said: str = "") -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=classname, name=_clean(name), time="0")
    if error:
        ElementTree.SubElement(case, "error", message=_clean(error))
    if said:
        ElementTree.SubElement(case, "system-out").text = _clean(said)
    return case


def _with_counts(name: str, cases: list[ElementTree.Element], started: str) -> ElementTree.Element:
    found = {
        f"{kind}s" if kind != "skipped" else kind: str(sum(case.find(kind) is not None for case in cases))
        for kind in ("failure", "error", "skipped")
    }
    time_s = sum(float(case.get("time", "0")) for case in cases)
    # The usual schema has no place for a time zone; every time here is in UTC.
    about = {"name": name, "tests": str(len(cases)), "time": f"{time_s:.3f}", "timestamp": started[:19], **found}
    suite = ElementTree.Element("testsuite", about)
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
    latencies = sorted(sample.reply.latency_ms for sample in verdict.samples)
    longest_s = latencies[-1] / 1000 if latencies else 0.0
    name = f"sourceip.{verdict.cell.phase.value}"
    case = ElementTree.Element("testcase", classname=name, name=_clean(verdict.cell.name), time=f"{longest_s:.3f}")
    case.append(_properties(_figures(verdict, latencies)))
    kind = _KINDS.get(verdict.outcome)
    if kind is not None:
        found = ElementTree.SubElement(case, kind, message=_clean(verdict.sentence))
        found.text = _clean("\n".join(_evidence(verdict)))
    return case


def _figures(verdict: cells.Verdict, latencies: list[float]) -> dict[str, str]:
    middle = latencies[len(latencies) // 2] if latencies else None
    return {
        "outcome": verdict.outcome.value,
        "expected": verdict.expectation.text,
        "confirmed": folding.confirmed(verdict.expectation),
        "because": findings.because(verdict.expectation),
        "seen": verdict.seen_text,
        "right": f"{verdict.right} of {verdict.total}",
        "latency_ms": f"median {middle:.3f}, longest {latencies[-1]:.3f}" if middle is not None else "none",
        "witnesses": findings.witnesses(verdict),
        **{f"rewrite.{number}": text for number, text in enumerate(findings.rewrites(verdict), start=1)},
        **{f"warning.{number}": text for number, text in enumerate(verdict.warnings, start=1)},
    }


def _evidence(verdict: cells.Verdict) -> Iterable[str]:
    for sample in verdict.samples:
        told = ", ".join(f"{item.witness.value}: {item.backend} saw {item.address}" for item in sample.accounts)
        said = sample.reply.error or "answered"
        yield f"{sample.token}: status {sample.reply.status}, {said}, {told or 'no account'}"


def _skipped(what: str, reason: str, classname: str = "sourceip.run") -> ElementTree.Element:
    case = ElementTree.Element("testcase", classname=classname, name=_clean(what), time="0")
    ElementTree.SubElement(case, "skipped", message=_clean(reason))
    return case


def _properties(values: dict[str, str]) -> ElementTree.Element:
    element = ElementTree.Element("properties")
    for name, value in values.items():
        ElementTree.SubElement(element, "property", name=name, value=_clean(value))
    return element


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("?", text)
