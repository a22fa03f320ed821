"""The program: ``python -P -m harness.lab.apiserver --dir LABDIR --listen-fd N [--listen-fd M]``."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from harness.core import errors
from harness.lab.apiserver.serving import application

log = logging.getLogger("harness.lab.apiserver")

_GOODBYE_S = 0.5
_KEPT_S = 3600.0
"""Connections are kept as long as clients like: an agent that has been quiet finds its own still open."""
_MOST_LINE = 1 << 20
"""As much as Go's server takes: exec carries its command, perhaps a whole program, in the request's line."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    found = argparse.ArgumentParser(prog="python -m harness.lab.apiserver", description=__doc__)
    found.add_argument("--dir", type=Path, required=True, help="the lab's state directory")
    found.add_argument(
        "--listen-fd", type=int, action="append", required=True, help="a listening socket that was handed down"
    )
    return found


async def serve(folder: Path, descriptors: Sequence[int]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ParseError: The token file or the certificates cannot be read.
    """
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    server = application.server(folder)
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        shutdown_timeout=_GOODBYE_S,
        handler_cancellation=True,
        keepalive_timeout=_KEPT_S,
        max_line_size=_MOST_LINE,
        max_field_size=_MOST_LINE,
    )
    await runner.setup()
    try:
        context = _context(folder)
        for descriptor in descriptors:
            await web.SockSite(runner, socket.socket(fileno=descriptor), ssl_context=context).start()
        log.info("serving on %d sockets", len(descriptors))
        await ending.wait()
    finally:
        await runner.cleanup()


def _context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(folder / "pki" / "server.pem", folder / "pki" / "server.key")
    except OSError as error:
        raise errors.ParseError(f"{folder / 'pki'}: not a certificate and its key: {error}") from error
    return context


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; returns the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    arguments = parser().parse_args(argv)
    try:
        asyncio.run(serve(arguments.dir, arguments.listen_fd))
    except errors.ParseError as error:
        log.error("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
