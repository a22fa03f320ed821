"""Compiling the C sources into the objects that are committed beside them, and checking that they match.

``python -m harness.lab.bpf.build`` compiles; ``… build --check`` ends with 1 and names what differs. Where the
compiler that made the committed objects is at hand the check compiles again and compares every octet; elsewhere
it compares the recorded hash of the sources, so that a change of a source without its object is always seen.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.core import errors, process
from harness.lab.bpf import loading

log = logging.getLogger("harness.lab.bpf")

HERE = Path(__file__).parent
SOURCES = HERE / "src"
RECORD = HERE / "objects" / "built.json"

CLANG = "clang"
STRIP = "llvm-strip"
FLAGS = ("-target", "bpf", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-fdebug-compilation-dir=.")


def compiler() -> str:
    """The first line of ``clang --version``; empty where there is no clang."""
    try:
        return process.run([CLANG, "--version"]).text.splitlines()[0]
    except errors.CommandError:
        return ""


def sources_hash(folder: Path = SOURCES) -> str:
    """One hash of every source's name and text."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def compile_all(target: Path, *, sources: Path = SOURCES) -> None:
    """Compile every program into that folder.

    Raises:
        CommandError: The compiler refused one, or is not there.
    """
    machine = process.run(["uname", "-m"]).text.strip()
    include = ["-idirafter", f"/usr/include/{machine}-linux-gnu"]
    for name in loading.BUILT:
        result = target / f"{name}.o"
        # Relative names keep this machine's folders out of the objects.
        process.run([CLANG, *FLAGS, *include, "-c", f"{name}.bpf.c", "-o", str(result)], cwd=sources)
        process.run([STRIP, "-g", str(result)])


def differences() -> list[str]:
    """What of the committed objects does not match the sources; empty if all does."""
    record = json.loads(RECORD.read_text())
    if record["sources"] != sources_hash():
        return ["the sources have changed since the objects were built"]
    wrong = [name for name in loading.BUILT if _hash(loading.OBJECTS / f"{name}.o") != record["objects"].get(name)]
    if wrong or compiler() != record["compiler"]:
        return [f"{name}.o is not the one that was built" for name in wrong]
    with tempfile.TemporaryDirectory() as folder:
        try:
            compile_all(Path(folder))
        except errors.CommandError as error:
            # The sources are those that have been compiled, so what is missing is libbpf's headers or the like.
            log.warning("the objects cannot be built again here: %s", error)
            return []
        again = {name: _hash(Path(folder) / f"{name}.o") for name in loading.BUILT}
    return [f"{name}.o differs from what its source gives" for name in again if again[name] != record["objects"][name]]


def record() -> None:
    """Compile into the folder of objects, and write down from what and by whom."""
    compile_all(loading.OBJECTS)
    built = {
        "compiler": compiler(),
        "sources": sources_hash(),
        "objects": {name: _hash(loading.OBJECTS / f"{name}.o") for name in loading.BUILT},
    }
    RECORD.write_text(json.dumps(built, indent=2) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Build, or with ``--check`` compare; the exit code."""
    if "--check" not in arguments:
        record()
        return 0
    found = differences()
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
