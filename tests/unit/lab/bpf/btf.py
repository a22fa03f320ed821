"""Sizes and members of structs, read from an object's BTF (the kernel's Documentation/bpf/btf.rst)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

_STRUCT = 4
# How many octets follow a type, by its kind: a fixed part and one for each of its members.
_EXTRA = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0)}
_EXTRA[19] = (0, 12)


@dataclass(frozen=True, kw_only=True)
class Struct:
    """A struct of C: its size, and the offset of each member, in octets."""

    size: int
    offsets: tuple[int, ...]


def structs(path: Path) -> dict[str, Struct]:
    """The named structs in an object file."""
    data = _section(path.read_bytes(), ".BTF")
    _, _, _, header, types, types_length, strings, _ = struct.unpack_from("=HBBIIIII", data)
    found: dict[str, Struct] = {}
    at, end = header + types, header + types + types_length
    while at < end:
        name, info, size = struct.unpack_from("=III", data, at)
        kind, count = info >> 24 & 31, info & 0xFFFF
        fixed, each = _EXTRA.get(kind, (0, 0))
        if kind == _STRUCT:
            members = (struct.unpack_from("=III", data, at + 12 + index * 12) for index in range(count))
            offsets = tuple(offset // 8 for _, _, offset in members)
            found[_string(data, header + strings + name)] = Struct(size=size, offsets=offsets)
        at += 12 + fixed + each * count
    return found


def _string(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def _section(elf: bytes, wanted: str) -> bytes:
    (table,) = struct.unpack_from("=Q", elf, 40)
    size, count, names = struct.unpack_from("=HHH", elf, 58)
    headers = [struct.unpack_from("=IIQQQQ", elf, table + index * size) for index in range(count)]
    for name, *_, offset, length in headers:
        if _string(elf, headers[names][4] + name) == wanted:
            return elf[offset : offset + length]
    raise KeyError(wanted)
