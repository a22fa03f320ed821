"""The bpf(2) system call, as far as the lab needs it: maps, links and test runs.

Every failure is a ``KernelError`` with its errno. Layouts of the attributes are those of ``union bpf_attr`` in the
kernel's public header ``linux/bpf.h``.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator
from pathlib import Path

from harness.core import errors

_NUMBERS = {"x86_64": 321, "aarch64": 280}
_ATTR_SIZE = 144

_MAP_LOOKUP, _MAP_UPDATE, _MAP_DELETE, _MAP_NEXT = 1, 2, 3, 4
_OBJ_PIN, _OBJ_GET, _PROG_TEST_RUN, _PROG_BY_ID, _OBJ_INFO, _PROG_QUERY = 6, 7, 10, 13, 15, 16
_MAP_BATCH, _LINK_CREATE, _LINK_UPDATE = 24, 28, 29
_ENOTSUPP = 524
_BATCH = 4096
_MOST_PROGRAMS = 64

CGROUP_CONNECT4, CGROUP_SENDMSG4, CGROUP_RECVMSG4 = 10, 14, 19
TCX_INGRESS, TCX_EGRESS = 46, 47
BEFORE = 1 << 3
"""``BPF_F_BEFORE``: a TCX link that comes before all that are there."""

_ANY = 0


class KernelError(errors.HarnessError):
    """The kernel refused a bpf(2) call.

    Attributes:
        errno: Why, as an errno.
    """

    def __init__(self, what: str, number: int) -> None:
        self.errno = number
        super().__init__(f"bpf: {what}: {os.strerror(number)}")


_Buffer = ctypes.Array[ctypes.c_char]


def _attributes(packed: bytes) -> _Buffer:
    return ctypes.create_string_buffer(packed.ljust(_ATTR_SIZE, b"\0"), _ATTR_SIZE)


def _call_with(what: str, command: int, attributes: _Buffer) -> int:
    """Call with attributes that the kernel may write to."""
    number = _NUMBERS.get(platform.machine())
    if number is None:
        raise KernelError(what, errno.ENOSYS)
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(libc.syscall(number, command, attributes, _ATTR_SIZE))
    if result < 0:
        raise KernelError(what, ctypes.get_errno())
    return result


def _call(what: str, command: int, packed: bytes) -> int:
    return _call_with(what, command, _attributes(packed))


def _address(buffer: _Buffer) -> int:
    return ctypes.addressof(buffer)


def pin(fd: int, path: Path) -> None:
    """Give a map, program or link a name in a bpffs.

    Raises:
        KernelError: There is such a name, or it is no bpffs.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    _call(f"pin {path}", _OBJ_PIN, struct.pack("=QII", _address(name), fd, 0))


def pinned(path: Path) -> int:
    """A new descriptor of what is pinned there.

    Raises:
        KernelError: Nothing is.
    """
    name = ctypes.create_string_buffer(os.fsencode(path))
    return _call(f"get {path}", _OBJ_GET, struct.pack("=QII", _address(name), 0, 0))


def info(fd: int, length: int = 256) -> bytes:
    """``struct bpf_map_info``, ``bpf_prog_info`` or ``bpf_link_info``, whichever the descriptor is of."""
    buffer = ctypes.create_string_buffer(length)
    _call("info", _OBJ_INFO, struct.pack("=IIQ", fd, length, _address(buffer)))
    return buffer.raw


def attached_programs(cgroup: int, attach_type: int) -> tuple[int, ...]:
    """The IDs of the programs that are attached to a cgroup (by descriptor) in that way."""
    ids = (ctypes.c_uint32 * _MOST_PROGRAMS)()
    query = _attributes(struct.pack("=IIIIQI", cgroup, attach_type, 0, 0, ctypes.addressof(ids), _MOST_PROGRAMS))
    _call_with("query", _PROG_QUERY, query)
    count = int(struct.unpack_from("=I", query.raw, 24)[0])
    return tuple(ids[:count])


def program_name(identity: int) -> str:
    """The name of a loaded program, by its ID."""
    fd = _call("program", _PROG_BY_ID, struct.pack("=III", identity, 0, 0))
    try:
        # struct bpf_prog_info: name is the sixteen octets after the creator and the maps.
        return info(fd)[64:80].partition(b"\0")[0].decode(errors="backslashreplace")
    finally:
        os.close(fd)


def link(program: int, target: int, attach_type: int, *, flags: int = 0) -> int:
    """Attach a program to an interface (by index) or a cgroup (by descriptor); the link's descriptor.

    Raises:
        KernelError: The kernel has no such attachment (EINVAL), or refused it.
    """
    return _call("attach", _LINK_CREATE, struct.pack("=IIII", program, target, attach_type, flags))


def relink(existing: int, program: int) -> None:
    """Put another program in the place of a link's, without a gap."""
    _call("replace", _LINK_UPDATE, struct.pack("=IIII", existing, program, 0, 0))


def try_run(program: int, packet: bytes, *, ifindex: int = 0, mark: int = 0) -> tuple[int, bytes, int]:
    """Run a program once on a packet (``BPF_PROG_TEST_RUN``): its verdict, the packet after it, and its mark."""
    data_in = ctypes.create_string_buffer(packet, len(packet))
    data_out = ctypes.create_string_buffer(len(packet) + 512)
    # struct __sk_buff: mark is its third word and ifindex its eleventh.
    context = bytearray(192)
    struct.pack_into("=I", context, 8, mark)
    struct.pack_into("=I", context, 40, ifindex)
    context_in = ctypes.create_string_buffer(bytes(context), len(context))
    context_out = ctypes.create_string_buffer(len(context))
    attributes = _attributes(
        struct.pack(
            "=IIIIQQIIIIQQ",
            program,
            0,
            len(packet),
            len(data_out),
            _address(data_in),
            _address(data_out),
            1,
            0,
            len(context),
            len(context),
            _address(context_in),
            _address(context_out),
        )
    )
    _call_with("test run", _PROG_TEST_RUN, attributes)
    _, verdict, _, size = struct.unpack_from("=IIII", attributes.raw)
    return verdict, data_out.raw[:size], struct.unpack_from("=I", context_out.raw, 8)[0]


class Map:
    """An open map; keys and values are bytes."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        _, _, self.key_size, self.value_size = struct.unpack_from("=IIII", info(fd))

    @classmethod
    def at(cls, path: Path) -> Map:
        """The map pinned there; KernelError if there is none."""
        return cls(pinned(path))

    def close(self) -> None:
        """Give the descriptor back; the map lives on where it is pinned or used."""
        os.close(self.fd)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        value = ctypes.create_string_buffer(self.value_size)
        try:
            self._element("lookup", _MAP_LOOKUP, key, _address(value))
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return value.raw

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key, whether or not it was there."""
        buffer = ctypes.create_string_buffer(value, self.value_size)
        self._element("update", _MAP_UPDATE, key, _address(buffer))

    def drop(self, key: bytes) -> None:
        """Remove a key; one that is gone already is no error."""
        try:
            self._element("delete", _MAP_DELETE, key, 0)
        except KernelError as error:
            if error.errno != errno.ENOENT:
                raise

    def keys(self) -> Iterator[bytes]:
        """Every key. One that is removed meanwhile starts a hash map over, so a key may come twice."""
        key: bytes | None = None
        # An LRU map that programs write to while it is walked could start over for ever.
        for _ in range(1 << 17):
            key = self._next(key)
            if key is None:
                return
            yield key

    def items(self) -> dict[bytes, bytes]:
        """All keys with their values, each as it was when it was read."""
        try:
            return dict(self._batches())
        except KernelError as error:
            if error.errno not in (errno.EINVAL, _ENOTSUPP):
                raise
        # Not every kernel reads every kind of map in batches.
        return {key: value for key in self.keys() if (value := self.get(key)) is not None}

    def _batches(self) -> Iterator[tuple[bytes, bytes]]:
        keys = ctypes.create_string_buffer(_BATCH * self.key_size)
        values = ctypes.create_string_buffer(_BATCH * self.value_size)
        place = ctypes.create_string_buffer(max(self.key_size, 4))
        start, more = 0, True
        while more:
            attributes = _attributes(
                struct.pack("=QQQQII", start, _address(place), _address(keys), _address(values), _BATCH, self.fd)
            )
            try:
                _call_with("read", _MAP_BATCH, attributes)
            except KernelError as error:
                # The last batch ends with this, and is filled all the same.
                if error.errno != errno.ENOENT:
                    raise
                more = False
            (count,) = struct.unpack_from("=I", attributes.raw, 32)
            yield from zip(_split(keys, self.key_size, count), _split(values, self.value_size, count), strict=True)
            start = _address(place)

    def _next(self, key: bytes | None) -> bytes | None:
        following = ctypes.create_string_buffer(self.key_size)
        try:
            self._element("next key", _MAP_NEXT, key, _address(following))
        except KernelError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        return following.raw

    def _element(self, what: str, command: int, key: bytes | None, value: int) -> None:
        buffer = None if key is None else ctypes.create_string_buffer(key, self.key_size)
        address = 0 if buffer is None else _address(buffer)
        _call(what, command, struct.pack("=IIQQQ", self.fd, 0, address, value, _ANY))


def _split(buffer: _Buffer, size: int, count: int) -> list[bytes]:
    raw = buffer.raw
    return [raw[place : place + size] for place in range(0, count * size, size)]
