"""The tools image: named by its contents, and built from all that its Dockerfile copies."""

from __future__ import annotations

import ast

from harness.clusters.kind import images


def test_the_tag_changes_with_every_byte() -> None:
    """An image that was built from older files is never taken for this one."""
    files = dict(images.context())
    assert images.tag(files) == images.tag(dict(reversed(files.items())))
    assert images.tag(files) != images.tag({**files, "agent.py": files["agent.py"] + b"#"})


def test_the_context_has_every_file_that_the_dockerfile_copies() -> None:
    """And the Python files are Python."""
    files = images.context()
    copied = [line.split()[1:-1] for line in files["Dockerfile"].decode().splitlines() if line.startswith("COPY")]
    assert {name for names in copied for name in names} == set(files) - {"Dockerfile"}
    for name in set(files) - {"Dockerfile"}:
        ast.parse(files[name])
