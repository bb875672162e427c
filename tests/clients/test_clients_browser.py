"""The official grpc-web runtime and Connect-Web, from Node and from pages in headless Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.embedded.mesh import Mesh
from tests.clients.caller import BUILT, TRADER, Ended, built, program, run
from tests.fixtures.users import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = ("connect", "grpc-web", "grpc-web-text")
PAGE = b"<!doctype html><title>A page that trades</title><script src=/page.js></script>"


class Pages(http.server.SimpleHTTPRequestHandler):
    """Serves a page and its script."""

    def do_GET(self) -> None:
        body = PAGE if self.path == "/" else (BUILT / "node" / "page.js").read_bytes()
        self.send_response(200)
        self.send_header("content-type", "text/html" if self.path == "/" else "text/javascript")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="session")
def port(shop: str) -> Iterator[int]:
    """The port of a server of pages."""
    number = int(shop.rpartition(":")[2])
    with http.server.ThreadingHTTPServer(("127.0.0.1", number), functools.partial(Pages)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield number
        server.shutdown()
        thread.join()


def check(told: dict[str, Any]) -> None:
    """Checks what the scenario saw: the order on the stream and by its id, and two errors with their details."""
    assert told["orderId"]
    assert told["read"] == told["orderId"]
    assert told["status"] == "ORDER_STATUS_NEW"
    assert told["wrong"] == {"code": "INVALID_ARGUMENT", "reason": "INVALID_FIELD", "fields": ["quantity"]}
    assert told["nobody"] == {"code": "UNAUTHENTICATED", "reason": "INVALID_TOKEN", "fields": []}


def words(instrument: str) -> str:
    return json.dumps({"username": TRADER, "password": PASSWORD, "account": "demo", "instrument": instrument})


async def in_page(guarded: Mesh, origin: str, kind: str, instrument: str) -> Ended:
    """Opens a page and lets it trade."""
    chromium = program("chromium")
    script = built("node/browser.mjs")
    node = program("node")
    return await run(node, script, chromium, f"{origin}/", kind, guarded.gateway_url, words(instrument))


@pytest.mark.parametrize("kind", KINDS)
async def test_node_trades(guarded: Mesh, instrument: str, kind: str) -> None:
    """Login, an order, its stream and an error with details, from Node."""
    script = built("node/page.js").replace("page.js", "node.mjs")
    check((await run(program("node"), script, kind, guarded.gateway_url, words(instrument))).json)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_trades(guarded: Mesh, instrument: str, port: int, kind: str) -> None:
    """The same from a page of this machine, which is of another origin than the gateway."""
    check((await in_page(guarded, f"http://127.0.0.1:{port}", kind, instrument)).json)


async def test_a_page_of_an_origin_that_may_call_trades(guarded: Mesh, instrument: str, port: int, shop: str) -> None:
    """The settings name the page's origin."""
    check((await in_page(guarded, shop, "connect", instrument)).json)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_page_of_any_other_origin_may_not(guarded: Mesh, instrument: str, port: int, kind: str) -> None:
    """The browser keeps the answer from the page."""
    ended = await in_page(guarded, f"http://other.example:{port}", kind, instrument)
    assert ended.code == 1
    assert "Failed to fetch" in ended.err or "http status code: 0" in ended.err
