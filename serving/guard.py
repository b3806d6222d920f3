"""What holds for every request: who may ask, how long it may take, what is logged, counted and sent along."""

import hmac
import re
import time
from hashlib import sha256
from uuid import uuid4

import anyio
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import metrics
from serving.errors import RequestError, failure
from serving.log import log
from serving.settings import Settings

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
PAGES = ("/", "/docs", "/docs.json", "/page")  # which tell nothing and need no token
ROUTES = (*PAGES, "/predict", "/predict/batch", "/model", "/model/card", "/metrics")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")  # a request id that may be taken over


class Guard:
    """Wraps the application ``app``, which may be given later, when requests are to come.

    A handler leaves in ``request.state.told`` what the log line is to say: ``code`` of the error, ``version``
    of the model.
    """

    def __init__(self, settings: Settings, app: ASGIApp | None = None) -> None:
        self.app = app or Starlette()
        self.timeout = settings.timeout
        self.secret = settings.secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, received, status = time.perf_counter(), 0, None
        headers = Headers(scope=scope)
        sent_id = headers.get("x-request-id", "")
        request_id = sent_id if HARMLESS.fullmatch(sent_id) else uuid4().hex
        told: dict[str, str] = {}
        scope.setdefault("state", {})["told"] = told
        route = known(scope["path"])

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update({**HEADERS, "X-Request-ID": request_id})
            await send(message)

        async def refuse(error: RequestError) -> None:
            told["code"] = error.code
            await failure(error)(scope, counted, guarded)

        try:
            if route not in PAGES and not self._may_ask(headers):
                hint = "send the operator's token in the header Authorization: Bearer …"
                message = "this service answers to those who have its token"
                await refuse(RequestError(401, "token", message, hint, {"WWW-Authenticate": "Bearer"}))
                return
            with anyio.move_on_after(self.timeout) as patience:
                await self.app(scope, counted, guarded)
            if patience.cancelled_caught and status is None:
                message = f"the service did not come to an answer within {self.timeout:g} s"
                await refuse(
                    RequestError(504, "timeout", message, "send a shorter recording, or try again later")
                )
        finally:
            seconds = time.perf_counter() - started
            metrics.REQUESTS.labels(route, str(status or "none")).inc()
            metrics.LATENCY.labels(route).observe(seconds)
            if "code" in told:
                metrics.ERRORS.labels(told["code"]).inc()
            log(
                "request",
                id=request_id,
                method=scope["method"] if scope["method"] in METHODS else "other",
                route=route,
                status=status,
                milliseconds=round(seconds * 1000, 1),
                bytes=received,
                **told,
            )

    def _may_ask(self, headers: Headers) -> bool:
        if self.secret is None:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        # Digests, so that not even the length of the token can be told from the time this takes.
        given, wanted = sha256(token.strip().encode()).digest(), sha256(self.secret).digest()
        return hmac.compare_digest(given, wanted) and kind.lower() == "bearer"


def known(path: str) -> str:
    """Return which of the routes a path is of; what a client made up is ``other``."""
    if path.startswith("/page/"):
        return "/page"
    return path if path in ROUTES else "other"
