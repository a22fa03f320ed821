"""The owner's program: ``python -m harness.lab.owner --dir LABDIR --leash-fd N --progress-fd M``.

The one who starts the lab holds the other end of the *leash*, a pipe. A line ``go`` on it starts the lab, ``keep``
lets it live on without the leash, and its end, however it comes about, ends the lab. *Progress* is a pipe of JSON
lines back: ``{"say": …}``, ``{"error": …}`` with ``"missing"`` where this machine lacks something, and at last
``{"ready": true}``.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from harness.lab.owner import lifetime
from harness.lab.topology import kernel


def main() -> int:
    """Own a lab until its end; 0 after an orderly end, 1 if it could not be started."""
    parser = argparse.ArgumentParser(prog="owner")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--leash-fd", type=int, required=True)
    parser.add_argument("--progress-fd", type=int, required=True)
    parser.add_argument(
        "--with-parent", action="store_true", help="end when the parent does, even if it leaves the leash to others"
    )
    parser.add_argument("--without-yaobank", action="store_true")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if options.with_parent:
        kernel.end_with_parent(signal.SIGTERM)
    return lifetime.Owner(
        directory=options.dir,
        leash=options.leash_fd,
        progress=options.progress_fd,
        yaobank=not options.without_yaobank,
    ).run()


if __name__ == "__main__":
    sys.exit(main())
