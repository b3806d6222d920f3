"""The web application: routes, clean status codes, and headers that keep the page to itself."""

import logging
import os
from pathlib import Path
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.audio import AudioError, decode
from serving.upload import RequestError, receive

log = logging.getLogger("bentoml.serving")

PAGE = Path(__file__).parent / "page"
THREADS = os.cpu_count() or 1  # detections at a time: more would only wait for each other
QUEUE = 64  # detections that may wait
STATUS = {"large": 413, "unreadable": 415}  # of sounds that cannot be used; 422 where not named

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


async def predict(request: Request) -> Response:
    """Answer about one sound."""
    upload = await receive(request)
    limiter: CapacityLimiter = request.app.state.limiter
    if limiter.statistics().tasks_waiting >= QUEUE:
        raise RequestError(
            429, "busy", "the service has all it can do", "try again in a moment", {"Retry-After": "1"}
        )
    answer = await anyio.to_thread.run_sync(_answer, request.app, upload.data, limiter=limiter)
    return JSONResponse({"file": upload.name, **answer, "model": request.app.state.model})


def _answer(app: Starlette, data: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = app.state.detector.detect(decode(data).samples).to_dict()
    return answer


async def model(request: Request) -> Response:
    """Say which model answers."""
    return JSONResponse(request.app.state.model)


async def page(_: Request) -> Response:
    """Show the page."""
    return FileResponse(PAGE / "index.html")


def failure(
    status: int, code: str, message: str, hint: str, headers: dict[str, str] | None = None
) -> Response:
    """Return the one form that every error takes."""
    body = {"error": {"code": code, "message": message, "hint": hint}}
    return JSONResponse(body, status_code=status, headers=headers)


async def refused(_: Request, error: Exception) -> Response:
    """Answer a request that cannot be served."""
    assert isinstance(error, RequestError)
    return failure(error.status, error.code, error.message, error.hint, error.headers)


async def unusable(_: Request, error: Exception) -> Response:
    """Answer a sound that cannot be used."""
    assert isinstance(error, AudioError)
    return failure(STATUS.get(error.code, 422), error.code, error.message, error.hint)


async def unrouted(_: Request, error: Exception) -> Response:
    """Answer an address or a method that there is not."""
    assert isinstance(error, HTTPException)
    code, hint = {
        404: ("address", "the page is at /, detection at POST /predict"),
        405: ("method", "use GET for the page and POST for /predict"),
    }.get(error.status_code, ("request", "see the README for how to call the service"))
    return failure(error.status_code, code, error.detail.lower(), hint, dict(error.headers or {}))


async def broken(_: Request, error: Exception) -> Response:
    """Answer where the fault is ours; the log says more than the client may know."""
    return failure(500, "fault", "the service made a mistake", "try another recording, and tell the operator")


class Guarded:
    """Adds `HEADERS` to every answer of an application."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self.app(scope, receive, guarded)


app = Starlette(
    routes=[
        Route("/", page),
        Route("/predict", predict, methods=["POST"]),
        Route("/model", model),
        Mount("/page", StaticFiles(directory=PAGE)),
    ],
    exception_handlers={
        RequestError: refused,
        AudioError: unusable,
        HTTPException: unrouted,
        Exception: broken,
    },
)
