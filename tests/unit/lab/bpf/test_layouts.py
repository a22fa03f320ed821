"""The maps' layouts: what Python packs is what the compiled programs read."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from harness.lab.bpf import layouts, loading
from tests.unit.lab.bpf import btf

ADDRESS, OTHER = ipaddress.IPv4Address("10.1.2.3"), ipaddress.IPv4Address("10.4.5.6")

NESTED = ("affinity", "affinity_key", "member_key")


def compiled() -> dict[str, btf.Struct]:
    """Every struct of every object, which must be the same wherever it is."""
    found: dict[str, btf.Struct] = {}
    for name in loading.NAMES:
        for struct_name, layout in btf.structs(loading.OBJECTS / f"{name}.o").items():
            assert found.setdefault(struct_name, layout) == layout
    return found


def offsets(layout: str) -> tuple[int, ...]:
    """Where each value of a format lies; padding is no value."""
    found, at = [], 0
    for item in _items(layout.removeprefix("=")):
        if not item.endswith("x"):
            found.append(at)
        at += struct.calcsize(f"={item}")
    return tuple(found)


def _items(layout: str) -> list[str]:
    items, count = [], ""
    for letter in layout:
        if letter.isdigit():
            count += letter
        else:
            items.extend([f"{count}{letter}"] if letter in "sx" else [letter] * int(count or 1))
            count = ""
    return items


@pytest.mark.parametrize("name", [name for name in layouts.FORMATS if name not in NESTED])
def test_format_is_the_compiled_struct(name: str) -> None:
    """Size and every member's offset agree; a member for padding comes last or between, and holds no value."""
    layout = compiled()[name]
    assert struct.calcsize(layouts.FORMATS[name]) == layout.size
    assert [at for at in offsets(layouts.FORMATS[name]) if at not in layout.offsets] == []


@pytest.mark.parametrize("name", NESTED)
def test_nested_format_has_the_compiled_size(name: str) -> None:
    """A struct inside a struct is flat in Python."""
    assert struct.calcsize(layouts.FORMATS[name]) == compiled()[name].size


def test_values_survive_the_kernels_form() -> None:
    """Packing and unpacking are each other's inverse."""
    key = layouts.FrontendKey(ADDRESS, 30180, 6)
    value = layouts.FrontendValue(1, 2, 3, 4, 5)
    route = layouts.RouteValue(layouts.LOCAL, ADDRESS, 7)
    flow_key = layouts.Tuple(ADDRESS, OTHER, 1, 65535, 17)
    flow = layouts.Flow(1, 2, ADDRESS, OTHER, 3, 4, ADDRESS, layouts.REPLY, layouts.TUNNEL, 5, 6)
    assert layouts.FrontendKey.unpack(key.pack()) == key
    assert layouts.FrontendValue.unpack(value.pack()) == value
    assert layouts.RouteValue.unpack(route.pack()) == route
    assert layouts.Tuple.unpack(flow_key.pack()) == flow_key
    assert layouts.Flow.unpack(flow.pack()) == flow
    assert layouts.Backend.unpack(layouts.Backend(ADDRESS, 80).pack()) == layouts.Backend(ADDRESS, 80)


def test_keys_survive_the_kernels_form() -> None:
    """So do the keys that are no class of their own."""
    network = ipaddress.IPv4Network("10.244.82.0/26")
    assert layouts.route_network(layouts.route_key(network)) == network
    assert layouts.backend_key_from(layouts.backend_key(7, 8)) == (7, 8)


def test_ports_and_addresses_are_in_network_order() -> None:
    """As they are on the wire, so that a program compares without swapping."""
    assert layouts.FrontendKey(ADDRESS, 0x1234, 6).pack() == bytes((10, 1, 2, 3, 0x12, 0x34, 6, 0))


def test_the_other_direction_of_the_other_direction_is_this_one() -> None:
    """Reversing twice changes nothing."""
    key = layouts.Tuple(ADDRESS, OTHER, 1, 2, 6)
    assert key.reversed() == layouts.Tuple(OTHER, ADDRESS, 2, 1, 6)
    assert key.reversed().reversed() == key
