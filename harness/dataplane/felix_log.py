"""What Felix says of itself in calico-node's log. Pure.

A container's log holds the lines of every Felix that ran in it: a change of configuration ends Felix, and runit
starts the next inside the same container (facts/calico.md 0.3). Only the last one counts; it is told by its process
ID. A line is ``DATE TIME [LEVEL][PID] felix/FILE LINE: MESSAGE``, as recorded in ``nodes/PHASE/NODE/calico-node.log``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"\S+ (?P<time>\S+) \[(?P<level>[A-Z]+)\]\[(?P<pid>\d+)\] felix[/.]\S+ \d+: (?P<message>.*)")
_FALLBACK = re.compile(r"BPF data ?plane mode enabled but not supported by the kernel")
_BPF = ("BPF enabled, starting BPF endpoint manager", 'name="BPFEndpointManager"')
_TROUBLE = ("ERROR", "FATAL", "PANIC")
_CUT_OFF = re.compile(
    r"i/o timeout|connection refused|no route to host|network is unreachable|no such host|lookup \S+:"
    r"|Unauthorized|x509:|TLS handshake timeout|context deadline exceeded"
)


@dataclass(frozen=True, kw_only=True)
class Felix:
    """The last Felix in a log.

    Attributes:
        pid: Its process ID; 0 if the log has no line of any.
        bpf: Whether it said that it runs the eBPF dataplane; the line may have been rotated away.
        fallback: Its sentence that it silently stayed in iptables mode; empty if there is none.
        locked_out: Its last line, if that is an error of reaching the API; empty if it is not.
    """

    pid: int
    bpf: bool = False
    fallback: str = ""
    locked_out: str = ""


def read(log: str) -> Felix:
    """What the last Felix in a log says of itself."""
    lines = [match for line in log.splitlines() if (match := _LINE.match(line))]
    if not lines:
        return Felix(pid=0)
    last = [match for match in lines if match["pid"] == lines[-1]["pid"]]
    end = last[-1]
    cut_off = end["level"] in _TROUBLE and _CUT_OFF.search(end["message"])
    return Felix(
        pid=int(end["pid"]),
        bpf=any(words in match["message"] for match in last for words in _BPF),
        fallback=next((match["message"] for match in last if _FALLBACK.search(match["message"])), ""),
        locked_out=f"{end['time']} {end['message']}" if cut_off else "",
    )
