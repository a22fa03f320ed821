"""The capture's file form, as the pcap specification has it."""

from __future__ import annotations

import ast
import struct
from pathlib import Path

from harness.evidence import sniffer


def test_a_record_has_its_lengths_and_the_cooked_header() -> None:
    """Time, octets kept, octets on the wire, then type, device, sender, protocol and the packet."""
    record = sniffer.record(b"\x45" * 600, 0x0800, 4, 1, b"\x02\x42\xac\x12\x00\x02", 12.5)
    seconds, micros, kept, whole = struct.unpack_from("<IIII", record)
    assert (seconds, micros, kept, whole) == (12, 500000, sniffer.SNAP, 616)
    kind, hardware, length, sender, protocol = struct.unpack_from("!HHH8sH", record, 16)
    assert (kind, hardware, length, protocol) == (4, 1, 6, 0x0800)
    assert sender == b"\x02\x42\xac\x12\x00\x02\0\0"
    assert len(record) == 16 + kept


def test_it_is_one_file_of_the_standard_library() -> None:
    """It travels as source into any pod that has a Python."""
    tree = ast.parse(Path(sniffer.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"socket", "struct", "sys", "time"}
