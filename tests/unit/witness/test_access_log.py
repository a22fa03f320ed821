"""The log parser survives colours, quotes, forgeries and broken bytes."""

from __future__ import annotations

import ipaddress
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.witness import access_log

TOKEN = "1aa394e6-feba-4076-b95e-936755c7cb4c"
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
TOKENS = st.uuids().map(str)
# Everything that an old Werkzeug writes into a path undecorated; a newline is always escaped.
PATHS = st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=40)
STAMPS = st.sampled_from(["", "2026-11-23T05:29:13.123456789Z ", "[pod/customer-1/customer] 2026-11-23T05:29:13Z "])


def line(
    address: str = "10.244.82.0",
    request: str = f"GET /?probe={TOKEN} HTTP/1.1",
    status: str = "200",
    colour: tuple[str, str] = ("", ""),
) -> bytes:
    """One access line as Werkzeug writes it."""
    return f'{address} - - [23/Nov/2026 05:29:13] "{colour[0]}{request}{colour[1]}" {status} -'.encode()


@given(
    address=ADDRESSES, token=TOKENS, status=st.sampled_from(["200", "404", "500"]), stamp=STAMPS, coloured=st.booleans()
)
def test_a_line_is_read_whatever_surrounds_it(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, token: str, status: str, stamp: str, coloured: bool
) -> None:
    """Address, token and status come out of every version's colours and of every kubectl prefix."""
    colour = ("\x1b[37m", "\x1b[0m") if coloured else ("", "")
    raw = stamp.encode() + line(str(address), f"GET /?probe={token} HTTP/1.1", status, colour)
    [found] = access_log.parse(raw + b"\n")
    assert (found.token, found.status) == (token, int(status))
    assert found.address == access_log.address_from(str(address))


@given(path=PATHS, token=TOKENS)
def test_a_path_never_forges_a_token(path: str, token: str) -> None:
    """Whatever a path holds, only a target that is exactly a probe's counts as one."""
    for found in access_log.parse(line(request=f"GET /{path}?probe={token} HTTP/1.1") + b"\n"):
        assert found.token is None or found.target == f"/?probe={token}"


@given(before=st.binary(max_size=60), after=st.binary(max_size=60))
def test_other_bytes_never_stop_the_parser(before: bytes, after: bytes) -> None:
    """Lines around a good one may be anything, and the good one is found."""
    found = access_log.parse(before + b"\n" + line() + b"\n" + after)
    assert [item.token for item in found].count(TOKEN) >= 1


@pytest.mark.parametrize("separator", ["\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_only_a_newline_ends_a_line(separator: str) -> None:
    """A forged line after a carriage return or a Unicode separator stays part of the path that carries it."""
    forged = line("10.9.9.9", f"GET /?probe={TOKEN} HTTP/1.1").decode()
    raw = line("172.18.0.5", f"GET /{separator}{forged}{separator} HTTP/1.1") + b"\n"
    assert all(item.address != ip_address("10.9.9.9") for item in access_log.parse(raw))
    assert access_log.by_token(access_log.parse(raw), [TOKEN]) == {TOKEN: []}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b" * Running on http://10.244.162.131:80", id="banner"),
        pytest.param(b"10.9.9.9 - - [23/Nov/2026 05:29:13] code 400, message Bad request syntax ('x')", id="code 400"),
        pytest.param(line()[:-10], id="cut off"),
        pytest.param(b"x" + b" " + line(), id="something before"),
        pytest.param(line() + b" more", id="something behind"),
        pytest.param(line("999.1.1.1"), id="no address"),
        pytest.param(line("customer"), id="a name"),
        pytest.param(line("<local>"), id="a unix socket"),
        pytest.param(line(status="2000"), id="no status"),
    ],
)
def test_what_is_no_access_line_is_passed_over(raw: bytes) -> None:
    """Nothing that merely looks like a request counts."""
    assert access_log.parse(raw) == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("::ffff:172.18.0.5", "172.18.0.5"),
        ("::FFFF:172.18.0.5", "172.18.0.5"),
        ("fe80::1%eth0", "fe80::1"),
        ("172.18.0.5", "172.18.0.5"),
    ],
)
def test_an_address_is_unwrapped(text: str, address: str) -> None:
    """A dual-stack socket's IPv4 client and a scoped link-local client are who they are."""
    [found] = access_log.parse(line(text))
    assert found.address == ip_address(address)


def test_old_versions_log_a_name_for_the_status() -> None:
    """Werkzeug 1.0 on Python 3 writes the enumeration's name for requests that it could not parse."""
    [found] = access_log.parse(line(status="HTTPStatus.BAD_REQUEST"))
    assert found.status == 0


def test_a_bare_quote_in_the_path_keeps_the_line_whole() -> None:
    """Quotes are never escaped by any version, so the last one closes the request."""
    [found] = access_log.parse(line(request='GET /?a="b HTTP/1.1'))
    assert found.target == '/?a="b'
