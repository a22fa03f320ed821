"""The one door for programs, with real programs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.core import errors, process


def test_output_is_bytes_and_text() -> None:
    """A program's output is kept as bytes and shown as text, whatever the bytes are."""
    done = process.run([sys.executable, "-c", r"import sys; sys.stdout.buffer.write(b'a\xffb')"])
    assert (done.stdout, done.text, done.returncode) == (b"a\xffb", "a\\xffb", 0)


def test_standard_input_is_what_was_given_or_nothing() -> None:
    """A program reads the bytes it was given, and never the terminal."""
    echo = [sys.executable, "-c", "import sys; print(len(sys.stdin.read()))"]
    assert process.run(echo, stdin=b"abc").text.strip() == "3"
    assert process.run(echo).text.strip() == "0"


def test_a_failure_is_an_error_with_data() -> None:
    """The error carries the program, its code and what it said."""
    with pytest.raises(errors.CommandError, match="ended with 3: no good") as caught:
        process.run([sys.executable, "-c", "import sys; sys.stderr.write('no good'); sys.exit(3)"])
    assert (caught.value.returncode, caught.value.stderr) == (3, "no good")
    assert caught.value.argv[0] == sys.executable


def test_a_failure_may_be_wanted() -> None:
    """Without check the code is the caller's to read."""
    assert process.run([sys.executable, "-c", "raise SystemExit(4)"], check=False).returncode == 4


@pytest.mark.parametrize("door", [process.run, process.start])
def test_no_such_program_is_a_command_error(door: object) -> None:
    """A missing program is our own error, with the shell's code."""
    assert callable(door)
    with pytest.raises(errors.CommandError, match="no such program") as caught:
        door(["no-such-program-here"])
    assert caught.value.returncode == 127


def test_a_program_that_hangs_is_ended() -> None:
    """The time limit ends the program and keeps what it said."""
    program = "import sys, threading; print('so far', flush=True); threading.Event().wait()"
    with pytest.raises(errors.CommandTimeout, match="no end within") as caught:
        process.run([sys.executable, "-c", program], timeout_s=0.5)
    assert caught.value.timeout_s == 0.5


def test_start_hands_over_a_running_program() -> None:
    """A started program belongs to the caller, who ends it."""
    child = process.start([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert child.poll() is None
    child.communicate(b"\n", timeout=10)
    assert child.returncode == 0
