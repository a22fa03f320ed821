"""Runners are argv prefixes, and the agent is one file that any old Python can take."""

from __future__ import annotations

import ast
import sys

from harness.probing import runners


def test_the_agent_travels_as_source() -> None:
    """Nothing has to be copied to the place where it runs."""
    argv = runners.Runner(prefix=("docker", "exec", "-i", "client")).argv()
    assert argv[:7] == ("docker", "exec", "-i", "client", "python3", "-u", "-c")
    assert argv[7] == runners.AGENT.read_text()
    # The kernel refuses a single argument of more than 128 KiB.
    assert len(argv[7].encode()) < 64 * 1024


def test_the_agent_is_python_3_8_and_standard_library_only() -> None:
    """Its grammar is that of Python 3.8, and it imports nothing that has to be installed."""
    tree = ast.parse(runners.AGENT.read_text(), feature_version=(3, 8))
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names)
