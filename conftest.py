"""Registers the plugins of ``fixtures/``, one concern each."""

from __future__ import annotations

import pytest

# The checks' assertions explain themselves only if they are rewritten before anything imports them.
pytest.register_assert_rewrite("harness.checks")

pytest_plugins = [
    "fixtures.options",
    "fixtures.cluster",
    "fixtures.capabilities",
    "fixtures.phases",
    "fixtures.verdicts",
    "fixtures.report",
]
