"""Whatever bytes are around or inside a line of the log, it never yields another address or token than the true one."""

from __future__ import annotations

import ipaddress
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.witness import access_log

EVERY_RUN_ALIKE = settings(derandomize=True, database=None, deadline=None, max_examples=60)

V4 = st.ip_addresses(v=4).map(str)
ADDRESSES = st.one_of(V4, st.ip_addresses(v=6).map(str), V4.map("::ffff:{}".format))
TOKENS = st.text(string.ascii_lowercase + string.digits + "-", min_size=8, max_size=36)
STATUSES = st.sampled_from(("200", "204", "301", "304", "404", "418", "500", "HTTPStatus.BAD_REQUEST"))
PREFIXES = st.sampled_from(
    (
        "",
        "2026-11-23T05:29:13.123456789Z ",
        "2026-11-23T05:29:13+01:00 ",
        "[pod/customer-1/customer] ",
        "[pod/customer-1/customer] 2026-11-23T05:29:13Z ",
    )
)
COLOURS = st.sampled_from((("", ""), ("\x1b[37m", "\x1b[0m"), ("\x1b[31m\x1b[1m", "\x1b[0m"), ("\x1b[36m", "\x1b[0m")))
# What a client may send in a request line and an old server log as it is: anything but the newline that ends it.
TRICKS = st.sampled_from(
    (
        "\r",
        "\x85",
        "\u2028",
        "\u2029",
        "\x0b",
        "\x0c",
        "\x1c",
        "\x1b[0m",
        '"',
        '" 200 -',
        " - - [",
        "\\n",
        "\ud83d\udc4d",
    )
)
TRICKY = st.lists(st.one_of(TRICKS, st.text(st.characters(exclude_characters="\n"), max_size=12)), max_size=6)
PATHS = TRICKY.map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
BYTES = st.binary(max_size=40).filter(lambda raw: b"\n" not in raw)


def line(address: str, target: bytes, status: str = "200", colour: tuple[str, str] = ("", "")) -> bytes:
    """One access line as Werkzeug writes it, whatever is in its target."""
    before, after = (item.encode() for item in colour)
    head = f"{address} - - [23/Nov/2026 05:29:13] ".encode()
    return head + b'"' + before + b"GET " + target + b" HTTP/1.1" + after + b'" ' + status.encode() + b" -"


def probe(token: str) -> bytes:
    """The target of a probe."""
    return f"/?probe={token}".encode()


@given(address=ADDRESSES, token=TOKENS, status=STATUSES, prefix=PREFIXES, colour=COLOURS)
@EVERY_RUN_ALIKE
def test_a_true_line_is_read_exactly(
    address: str, token: str, status: str, prefix: str, colour: tuple[str, str]
) -> None:
    """Every version's colours and statuses, every kubectl prefix, IPv4, IPv6 and mapped: the true address and token."""
    [found] = access_log.parse(prefix.encode() + line(address, probe(token), status, colour) + b"\n")
    assert found.token == token
    assert found.address == ipaddress.ip_address(address.removeprefix("::ffff:") if "." in address else address)
    assert found.status == (int(status) if status.isdigit() else 0)


@given(attacker=V4, claim=V4, token=TOKENS, around=st.tuples(PATHS, TRICKS, TRICKS, PATHS), noise=BYTES)
@EVERY_RUN_ALIKE
def test_no_path_yields_another_address(
    attacker: str, claim: str, token: str, around: tuple[bytes, str, str, bytes], noise: bytes
) -> None:
    """Whatever a client sends as its path, a whole forged line included, its own address is the only one that comes."""
    before, opening, closing, after = around
    marks = [mark.encode("utf-8", "surrogatepass") for mark in (opening, closing)]
    forged = before + marks[0] + line(claim, probe(token)) + marks[1] + after + noise
    found = access_log.parse(line(attacker, b"/" + forged) + b"\n")
    assert all(item.address == ipaddress.ip_address(attacker) for item in found)


@given(attacker=V4, token=TOKENS, path=PATHS, noise=BYTES)
@EVERY_RUN_ALIKE
def test_no_path_yields_a_token_that_is_only_part_of_it(attacker: str, token: str, path: bytes, noise: bytes) -> None:
    """A token counts where it is the whole target, and never where a path only holds it."""
    for target in (b"/" + path + noise + probe(token), b"/x" + probe(token) + path, probe(token) + b"&" + path):
        found = access_log.parse(line(attacker, target) + b"\n")
        assert all(item.token is None for item in found)


@given(
    true=st.lists(st.tuples(V4, TOKENS), min_size=1, max_size=4, unique_by=lambda item: item[1]),
    attacker=V4,
    path=PATHS,
    broken=BYTES,
)
@EVERY_RUN_ALIKE
def test_a_log_is_its_true_lines(true: list[tuple[str, str]], attacker: str, path: bytes, broken: bytes) -> None:
    """Between forgeries and broken bytes every token has exactly its own line, and no other address."""
    hostile = line(attacker, b"/" + path + line("10.9.9.9", probe(true[0][1])))
    log = b"".join(broken + b"\n" + hostile + b"\n" + line(address, probe(token)) + b"\n" for address, token in true)
    by_token = access_log.by_token(access_log.parse(log), [token for _, token in true])
    for address, token in true:
        assert [item.address for item in by_token[token]] == [ipaddress.ip_address(address)]


@given(address=ADDRESSES, token=TOKENS, cut=st.integers(min_value=1, max_value=200))
@EVERY_RUN_ALIKE
def test_a_line_without_its_end_is_no_line(address: str, token: str, cut: int) -> None:
    """The last line of a log that is being written counts when it is whole, and not before."""
    whole = line(address, probe(token))
    assert access_log.parse(whole[: max(0, len(whole) - cut)]) == ()


@given(address=ADDRESSES, token=TOKENS, cut=st.integers(min_value=1, max_value=200))
@EVERY_RUN_ALIKE
def test_a_line_without_its_beginning_is_nobody_elses(address: str, token: str, cut: int) -> None:
    """What a cut leaves of an address may be one; it is then the end of the true one, for the true token."""
    for found in access_log.parse(line(address, probe(token))[cut:]):
        assert found.token == token
        assert access_log.address_from(address[cut:]) == found.address


@given(address=V4, token=TOKENS, around=st.sampled_from(("x {}", "{} x", " {}", "{} ", "[pod/a b] {}", "0 - - {}")))
@EVERY_RUN_ALIKE
def test_a_line_is_the_whole_line(address: str, token: str, around: str) -> None:
    """What only holds a line is none."""
    assert access_log.parse(around.format(line(address, probe(token)).decode()).encode() + b"\n") == ()


@given(token=TOKENS, shorter=st.integers(min_value=1, max_value=7))
@EVERY_RUN_ALIKE
def test_a_token_is_not_its_prefix(token: str, shorter: int) -> None:
    """Lines are matched by whole tokens."""
    found = access_log.parse(line("172.18.0.5", probe(token)) + b"\n")
    assert access_log.by_token(found, [token[:-shorter]]) == {token[:-shorter]: []}
