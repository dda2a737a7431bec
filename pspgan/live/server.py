"""The server of the live explorer: it listens to this machine alone, and writes nothing."""

from __future__ import annotations

import json
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .answering import Answering

_LOOPBACK = "127.0.0.1"
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Server(ThreadingHTTPServer):
    """Serves one `Answering` on loopback.

    Args:
        answering: what is served.
        port: to listen to; 0 takes a free one.

    Raises:
        OSError: the port cannot be had.
    """

    daemon_threads = True

    def __init__(self, answering: Answering, port: int = 0) -> None:
        self.answering = answering
        try:
            super().__init__((_LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            raise OSError(f"port {port} cannot be had ({error}); 0 takes a free one (--port)") from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{_LOOPBACK}:{self.server_port}/"

    def is_asked_as(self, host: str | None) -> bool:
        """Whether a request means this server.

        A page of another site can have its own name resolve to 127.0.0.1 (DNS rebinding), and would then be
        allowed to read what is served here; but its requests keep its name.
        """
        name, _, port = (host or "").partition(":")
        return name in (_LOOPBACK, "localhost") and (port or "80") == str(self.server_port)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        if not self.server.is_asked_as(self.headers.get("Host")):
            self._tell(HTTPStatus.FORBIDDEN, f"this page is at {self.server.url} and under no other name")
        elif asked.path == "/":
            self._send(HTTPStatus.OK, "text/html", self.server.answering.page)
        elif asked.path == "/condition":
            self._answer(asked.query)
        elif asked.path == "/favicon.ico":
            self._send(HTTPStatus.NO_CONTENT, "image/x-icon", "")
        else:
            self._tell(HTTPStatus.NOT_FOUND, f"there is no {asked.path} here, only the page / and /condition")

    def _answer(self, query: str) -> None:
        try:
            answer = self.server.answering.condition(parse_qsl(query, keep_blank_values=True))
        except ValueError as error:
            self._tell(HTTPStatus.BAD_REQUEST, str(error))
        except Exception as error:  # a thread of its own: it is told here, or nowhere
            traceback.print_exc(file=sys.stderr)
            self._tell(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}")
        else:
            self._send(HTTPStatus.OK, "application/json", json.dumps(answer, allow_nan=False))

    def _tell(self, status: HTTPStatus, error: str) -> None:
        self._send(status, "application/json", json.dumps({"error": error}))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except ConnectionError:  # the reader has chosen something else meanwhile
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing of requests."""
