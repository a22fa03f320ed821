"""Reading the pods of a node from its routes."""

from __future__ import annotations

import ipaddress
import sys

import pytest

from harness.core import errors
from harness.lab.felix import workloads

HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"


def row(device: str, destination: str, mask: str) -> str:
    """One line of the table, the numbers as the kernel prints them on this machine."""

    def number(text: str) -> str:
        return f"{int.from_bytes(ipaddress.IPv4Address(text).packed, sys.byteorder):08X}"

    return f"{device}\t{number(destination)}\t00000000\t0005\t0\t0\t1024\t{number(mask)}\t0\t0\t0\n"


def test_pods_are_routes_of_one_address_to_a_pods_device() -> None:
    """Whatever leads elsewhere, or to more than one address, is no pod."""
    table = (
        HEADER
        + row("eth0", "0.0.0.0", "0.0.0.0")
        + row("cali2", "10.244.162.130", "255.255.255.255")
        + row("cali1", "10.244.162.129", "255.255.255.255")
        + row("cali3", "10.244.7.0", "255.255.255.192")
        + row("*", "10.244.162.128", "255.255.255.192")
        + row("eth0", "172.18.0.9", "255.255.255.255")
    )
    assert workloads.pods(table) == (
        workloads.Pod("cali1", ipaddress.IPv4Address("10.244.162.129")),
        workloads.Pod("cali2", ipaddress.IPv4Address("10.244.162.130")),
    )


def test_other_text_is_refused() -> None:
    """What is not understood is not passed over."""
    with pytest.raises(errors.ParseError):
        workloads.pods(HEADER + "cali1 and nothing else\n")
