"""A headless Chromium that opens one page: what it counts there, what it complains of and what it asks a network for.

It is driven over its own DevTools protocol, by a WebSocket on the loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from harness.core import process, waiting

NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # a container's root has no user to drop to, and the page is ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-port=0",
)
_PATIENCE_S = 60.0
# Half a minute for a page of a thousand cells, on a machine that has other work.
_LOAD_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a browser made of a page.

    Attributes:
        values: What each expression came to, by its name.
        complaints: Errors and warnings of the console, and exceptions.
        requests: The addresses that were asked for.
    """

    values: Mapping[str, Any]
    complaints: tuple[str, ...]
    requests: tuple[str, ...]


@dataclass
class _Tab:
    socket: aiohttp.ClientWebSocketResponse
    events: list[dict[str, Any]] = field(default_factory=list)
    number: int = 0

    async def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """Ask the browser; events that come first are kept."""
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        async for message in self.socket:
            told: dict[str, Any] = message.json()
            if told.get("id") == self.number:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result
            self.events.append(told)
        raise AssertionError(f"the browser left during {method}")

    async def until(self, event: str) -> None:
        """Wait for an event."""
        while not any(told.get("method") == event for told in self.events):
            self.events.append((await self.socket.receive()).json())


def program() -> str | None:
    """The browser of this machine, or None."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def look(page: Path, expressions: Mapping[str, str], *, profile: Path, width: int, dark: bool = False) -> Seen:
    """Open a page from its file and evaluate JavaScript expressions in their order.

    Args:
        page: The file.
        expressions: Expressions by name; promises are awaited.
        profile: A folder of the browser's own.
        width: The window's, in pixels.
        dark: Whether the reader prefers dark pages.
    """
    with _running(profile) as port:
        return asyncio.run(asyncio.wait_for(_look(port, page, expressions, width=width, dark=dark), timeout=_LOAD_S))


@contextlib.contextmanager
def _running(profile: Path) -> Iterator[int]:
    found = program()
    assert found is not None
    child = process.start([found, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL)
    try:
        told = profile / "DevToolsActivePort"
        text = waiting.wait_until(
            lambda: told.read_text() if told.exists() else "",
            lambda text: "\n" in text,
            what="a browser's port",
            timeout_s=_PATIENCE_S,
        )
        yield int(text.splitlines()[0])
    finally:
        child.kill()
        child.wait()


async def _look(port: int, page: Path, expressions: Mapping[str, str], *, width: int, dark: bool) -> Seen:
    async with _tab(port) as tab:
        await tab.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await tab.call("Emulation.setEmulatedMedia", features=[scheme])
        for domain in ("Network", "Runtime", "Log", "Page"):
            await tab.call(f"{domain}.enable")
        await tab.call("Page.navigate", url=page.as_uri())
        await tab.until("Page.loadEventFired")
        values = {name: await _value(tab, text) for name, text in expressions.items()}
        return Seen(values=values, complaints=tuple(_complaints(tab.events)), requests=tuple(_requests(tab.events)))


@contextlib.asynccontextmanager
async def _tab(port: int) -> AsyncIterator[_Tab]:
    base = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/json/list") as answer:
            targets = await answer.json()
        address = next(target["webSocketDebuggerUrl"] for target in targets if target["type"] == "page")
        async with session.ws_connect(address, max_msg_size=0) as socket:
            yield _Tab(socket=socket)


async def _value(tab: _Tab, expression: str) -> object:
    found = await tab.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
    assert "exceptionDetails" not in found, f"{expression}: {found['exceptionDetails']}"
    return found["result"].get("value")


def _complaints(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        method, said = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            yield str(said["exceptionDetails"])
        elif method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            yield str(said["args"])
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            yield str(said["entry"]["text"])


def _requests(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        if event.get("method") == "Network.requestWillBeSent":
            # The browser's own pages load from inside it; nothing else has that scheme.
            url: str = event["params"]["request"]["url"]
            if not url.startswith("chrome:"):
                yield url
