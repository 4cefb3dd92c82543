"""A real HTTP server on this machine that offers one file, and can be told to do it badly."""

from __future__ import annotations

import hashlib
import random
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from anonymizer.models import Model

BODY = random.Random(7).randbytes(300_000)  # no period: a shifted piece would be seen


class Shelf(ThreadingHTTPServer):
    """Serves `body`; each request takes the next of `script`, or is answered properly."""

    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Clerk)
        self.body = BODY
        self.tag: str | None = '"one"'
        self.ranges = True
        self.script: list[Callable[[Any], None]] = []
        self.asked: list[dict[str, str]] = []
        self.paths: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights.onnx"

    def model(self, **changes: Any) -> Model:
        fields: dict[str, Any] = {
            "name": "eyes",
            "detector": "eyes",
            "purpose": "finds eyes",
            "file": "eyes.onnx",
            "licence": "MIT",
            "commercial": True,
            "source": "https://example.org/eyes",
            "size": len(BODY),
            "sha256": hashlib.sha256(BODY).hexdigest(),
            "url": self.address,
        }
        return Model(**fields | changes)


class _Clerk(BaseHTTPRequestHandler):
    server: Shelf

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        self.server.paths.append(self.path)
        script = self.server.script
        with suppress(ConnectionError):
            (script.pop(0) if script else properly())(self)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def properly(
    *, cut: int | None = None, length: bool = True, reset: bool = False
) -> Callable[[_Clerk], None]:
    """Answer as servers do; ``cut`` ends the connection after so many bytes."""

    def answer(clerk: _Clerk) -> None:
        body, start = clerk.server.body, _start(clerk)
        clerk.send_response(206 if start else 200)
        if start:
            clerk.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if clerk.server.tag:
            clerk.send_header("ETag", clerk.server.tag)
        if length:
            clerk.send_header("Content-Length", str(len(body) - start))
        clerk.end_headers()
        clerk.wfile.write(body[start:][:cut])
        if reset:
            linger = struct.pack("ii", 1, 0)
            clerk.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            clerk.connection.close()

    return answer


def _start(clerk: _Clerk) -> int:
    asked = clerk.headers.get("Range", "bytes=0-")
    same = clerk.headers.get("If-Range") in (None, clerk.server.tag)
    return int(asked[6:-1]) if clerk.server.ranges and same else 0


def status(code: int, body: bytes = b"", **headers: str) -> Callable[[_Clerk], None]:
    """Answer with this."""

    def answer(clerk: _Clerk) -> None:
        clerk.send_response(code)
        for name, value in headers.items():
            clerk.send_header(name.replace("_", "-"), value)
        clerk.end_headers()
        clerk.wfile.write(body)

    return answer


@contextmanager
def serving() -> Iterator[Shelf]:
    """A running server."""
    with Shelf() as shelf:
        thread = Thread(target=shelf.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield shelf
        finally:
            shelf.shutdown()
            thread.join()
