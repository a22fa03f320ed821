"""The error tree."""

from __future__ import annotations

import inspect

from harness.core import errors


def test_every_error_has_the_one_base() -> None:
    """Whoever catches HarnessError catches everything that the harness raises on purpose."""
    classes = [value for _, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__]
    assert len(classes) >= 10
    assert all(issubclass(item, errors.HarnessError) for item in classes)


def test_the_tree_is_drawn_in_full() -> None:
    """The module's docstring names every error."""
    classes = [
        name for name, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__
    ]
    assert errors.__doc__ is not None
    assert [name for name in classes if name not in errors.__doc__] == []


def test_a_missing_capability_says_what_would_help() -> None:
    """The reason and the remedy are in the text."""
    error = errors.CapabilityMissing("iptables", "no such program", "apt-get install -y iptables")
    assert str(error) == "iptables: no such program (apt-get install -y iptables)"
