"""Whether this kernel can run the eBPF dataplane: found by doing it once in small, and undoing it.

Versions lie in both directions; a load through the verifier and an attachment that is taken back do not.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.core import errors
from harness.lab.bpf import attaching, kernel, loading

HARMLESS_OBJECT = "to_pod"
"""The object that holds ``loading.HARMLESS``."""

_DEMANDING = ("to_outside", "connect", HARMLESS_OBJECT)


@dataclass(frozen=True, kw_only=True)
class Support:
    """What the kernel can do.

    Attributes:
        supported: The dataplane can run.
        tcx: Programs can be attached by TCX links; else by clsact.
        reason: Why it cannot run, in one line; empty if it can.
    """

    supported: bool
    tcx: bool
    reason: str


def probe() -> Support:
    """Load the most demanding programs through the verifier, without pins, and attach one to lo for a moment.

    It touches nothing else: maps and programs are gone when it returns.
    """
    programs: list[loading.Program] = []
    try:
        for name in _DEMANDING:
            programs.extend(loading.load(name, None))
        return Support(supported=True, tcx=attaching.has_tcx(_classifier(programs)), reason="")
    except (errors.CapabilityMissing, kernel.KernelError, OSError) as error:
        return Support(supported=False, tcx=False, reason=str(error))
    finally:
        for program in programs:
            program.close()


def _classifier(programs: list[loading.Program]) -> loading.Program:
    return next(program for program in programs if program.name == loading.HARMLESS)
