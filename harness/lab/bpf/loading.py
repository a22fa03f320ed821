"""Loading the compiled programs through libbpf, which finds or makes the maps that are pinned under a folder.

libbpf 1.x is used by ctypes: a user's machine needs the library (Debian's ``libbpf1``) and no compiler. What libbpf
and the verifier say is kept and shown when a load fails.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from harness.core import errors
from harness.lab.bpf import kernel

log = logging.getLogger("harness.lab.bpf")

OBJECTS = Path(__file__).parent / "objects"

NAMES = ("from_outside", "to_outside", "from_tunnel", "to_tunnel", "from_pod", "to_pod", "from_host", "connect")
"""Every object of the dataplane."""

LIAR = "liar"
"""The object by which a selftest rewrites a source behind the dataplane's back; no part of it."""

BUILT = (*NAMES, LIAR)
"""Every object that has a source."""

HARMLESS = "sip_to_pod"
"""A program that changes nothing as long as the connection table is empty."""

_PRINT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@dataclass(frozen=True, kw_only=True)
class Program:
    """A loaded program: its name and a descriptor, which its owner closes."""

    name: str
    fd: int

    def close(self) -> None:
        """Give the descriptor back; the program lives on where it is attached."""
        os.close(self.fd)


class _OpenOptions(ctypes.Structure):
    """``struct bpf_object_open_opts`` up to the field that is needed; libbpf takes the rest as zero."""

    _fields_ = (
        ("sz", ctypes.c_size_t),
        ("object_name", ctypes.c_char_p),
        ("relaxed_maps", ctypes.c_bool),
        ("pin_root_path", ctypes.c_char_p),
    )


class _Library:
    """libbpf with the signatures of what is called, and the lines that it printed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        try:
            self.c = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError as error:
            raise errors.CapabilityMissing("libbpf", str(error), "apt-get install libbpf1") from error
        pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
        for name, result, arguments in (
            ("bpf_object__open_file", pointer, (text, pointer)),
            ("bpf_object__load", integer, (pointer,)),
            ("bpf_object__close", None, (pointer,)),
            ("bpf_object__next_program", pointer, (pointer, pointer)),
            ("bpf_program__name", text, (pointer,)),
            ("bpf_program__fd", integer, (pointer,)),
            ("bpf_object__next_map", pointer, (pointer, pointer)),
            ("bpf_map__set_pin_path", integer, (pointer, text)),
            ("libbpf_set_print", pointer, (pointer,)),
        ):
            function = getattr(self.c, name)
            function.restype, function.argtypes = result, arguments
        self._format = ctypes.CDLL(None).vsnprintf
        self._format.argtypes = (text, ctypes.c_size_t, text, pointer)
        self._callback = _PRINT(self._print)
        self.c.libbpf_set_print(ctypes.cast(self._callback, pointer))

    def close(self) -> None:
        """Let libbpf forget the callback before Python does."""
        self.c.libbpf_set_print(None)

    def _print(self, level: int, template: bytes, arguments: int) -> int:
        # 0 is a warning, 1 information, 2 debugging; the verifier's log comes as a warning.
        if level == 0:
            buffer = ctypes.create_string_buffer(1 << 16)
            self._format(buffer, len(buffer), template, arguments)
            self.lines.append(buffer.value.decode(errors="backslashreplace"))
        return 0


def load(name: str, pins: Path | None, *, objects: Path = OBJECTS) -> tuple[Program, ...]:
    """Load one object's programs; its maps are those pinned under ``pins``, made where they are missing.

    Without ``pins`` the programs get maps of their own, which go with them.

    Maps whose layout has changed since they were pinned are made anew, and what they held is lost.

    Raises:
        CapabilityMissing: There is no libbpf, or it is too old.
        KernelError: The kernel refused the object; the verifier's last words are in the log.
    """
    library = _Library()
    try:
        try:
            return _load(library, objects / f"{name}.o", pins)
        except kernel.KernelError:
            if pins is None or not any("parameter mismatch" in line for line in library.lines):
                raise
        log.warning("%s: pinned maps have another layout and are made anew", pins)
        for path in pins.iterdir():
            path.unlink()
        return _load(library, objects / f"{name}.o", pins)
    finally:
        library.close()


def _load(library: _Library, path: Path, pins: Path | None) -> tuple[Program, ...]:
    root = None if pins is None else os.fsencode(pins)
    options = _OpenOptions(sz=ctypes.sizeof(_OpenOptions), pin_root_path=root)
    opened = library.c.bpf_object__open_file(os.fsencode(path), ctypes.byref(options))
    if not opened:
        raise kernel.KernelError(f"open {path.name}", ctypes.get_errno() or errno.ENOENT)
    try:
        if pins is None:
            _unpin(library, opened)
        result = library.c.bpf_object__load(opened)
        if result < 0:
            log.warning("%s: %s", path.name, "".join(library.lines)[-4000:])
            raise kernel.KernelError(f"load {path.name}", -result)
        return tuple(_programs(library, opened))
    finally:
        library.c.bpf_object__close(opened)


def _unpin(library: _Library, opened: int) -> None:
    current = library.c.bpf_object__next_map(opened, None)
    while current:
        library.c.bpf_map__set_pin_path(current, None)
        current = library.c.bpf_object__next_map(opened, current)


def _programs(library: _Library, opened: int) -> list[Program]:
    found = []
    current = library.c.bpf_object__next_program(opened, None)
    while current:
        # The object owns its descriptors and closes them; a copy outlives it.
        fd = os.dup(library.c.bpf_program__fd(current))
        os.set_inheritable(fd, False)
        found.append(Program(name=library.c.bpf_program__name(current).decode(), fd=fd))
        current = library.c.bpf_object__next_program(opened, current)
    return found
