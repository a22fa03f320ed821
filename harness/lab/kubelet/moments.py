"""Times as Kubernetes' API writes them."""

from __future__ import annotations

import datetime


def now() -> str:
    """This second in UTC, RFC 3339 without a fraction, as ``metav1.Time`` has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
