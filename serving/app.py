"""The web application: its routes, and the queue in which detections wait for a core."""

from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from pipeline.audio import AudioError
from pipeline.version import Version
from serving import card, detection, metrics, openapi, upload
from serving.answers import Answer, Batch, Details, Failure, Model, Shape, Unanswered
from serving.champion import Champion
from serving.detection import Wanted
from serving.errors import RequestError, refused
from serving.limits import Rate
from serving.settings import Settings

PAGE = Path(__file__).parent / "page"


class Service:
    """The handlers of the routes, and what they share.

    Parameters
    ----------
    settings : Settings
    champion : Champion
        Who answers.
    """

    def __init__(self, settings: Settings, champion: Champion) -> None:
        self.settings, self.champion = settings, champion
        self.cores = CapacityLimiter(settings.detections)
        # All batches together wait with one sound a core at most, so that single sounds are never far behind.
        self.batches = CapacityLimiter(settings.detections)
        self.rate = Rate(settings.rate, settings.burst)

    async def predict(self, request: Request) -> Response:
        """Answer about one sound."""
        wanted = Wanted(_asked(request, "timeline"), _asked(request, "picture"))
        self.rate.take(_address(request))
        async with upload.one(request, self.settings) as sound:
            data = await sound.data()
        self._refuse_where_too_many(self.cores)
        version = self._answering(request)
        answer = await self._detect(data, sound.name, version, wanted, wait=self.settings.wait)
        return _json(answer)

    async def predict_batch(self, request: Request) -> Response:
        """Answer about several sounds, one after the other."""
        self.rate.take(_address(request))
        async with upload.several(request, self.settings) as sounds:
            self.rate.take(_address(request), len(sounds) - 1, owed=True)
            self._refuse_where_too_many(self.batches)
            async with self.batches:
                version = self._answering(request)
                answers = [await self._of_several(sound, version) for sound in sounds]
        return _json(Batch(answers=answers, model=Model(**version.about)))

    async def _of_several(self, sound: upload.Upload | RequestError, version: Version) -> Answer | Unanswered:
        name = None if isinstance(sound, RequestError) else sound.name
        try:
            if isinstance(sound, RequestError):
                raise sound
            return await self._detect(await sound.data(), name, version, Wanted(), wait=None)
        except (RequestError, AudioError) as error:
            metrics.ERRORS.labels(error.code).inc()
            failure = Failure(code=error.code, message=error.message, hint=error.hint)
            return Unanswered(file=name, error=failure)

    def _answering(self, request: Request) -> Version:
        version = self.champion.serving
        request.state.told["version"] = version.facts["version"]
        return version

    def _refuse_where_too_many(self, queue: CapacityLimiter) -> None:
        if queue.available_tokens < 1 and queue.statistics().tasks_waiting >= self.settings.queue:
            raise _busy()

    async def _detect(
        self, data: bytes, name: str | None, version: Version, wanted: Wanted, wait: float | None
    ) -> Answer:
        with anyio.move_on_after(wait) as patience:
            await self.cores.acquire_on_behalf_of(turn := object())
        if patience.cancelled_caught:
            raise _busy()
        try:
            work = partial(detection.answer, data, name, version, wanted, self.settings)
            answer = await anyio.to_thread.run_sync(work)
        finally:
            self.cores.release_on_behalf_of(turn)
        metrics.ANSWERS.labels(answer.emotion).inc()
        metrics.CONFIDENCE.observe(answer.probabilities[answer.emotion])
        metrics.UNSURE.inc(answer.unsure)
        for warning in answer.warnings:
            metrics.WARNINGS.labels(warning.code).inc()
        return answer

    async def model(self, _: Request) -> Response:
        """Say which model answers."""
        version = self.champion.serving
        facts = {**version.facts, "data": version.facts.get("splits")}
        told = ("date", "commit", "data", "architecture", "protocol")
        detector = version.detector
        return _json(
            Details(
                **version.about,
                **{key: facts[key] for key in told if facts.get(key)},
                classes=list(detector.classes),
                tree=dict(detector.tree),
                metrics=version.facts.get("metrics", {}),
            )
        )

    async def model_card(self, request: Request) -> Response:
        """Show the model card."""
        text = self.champion.serving.card
        if text is None:
            message = "this version of the model was registered without a card"
            raise RequestError(404, "card", message, "GET /model says what is known of it")
        return card.respond(text, request.headers.get("accept", ""))

    async def counted(self, _: Request) -> Response:
        """Give the metrics to Prometheus."""
        text, kind = await anyio.to_thread.run_sync(metrics.exposition)
        return Response(text, media_type=kind)

    async def described(self, _: Request) -> Response:
        """Describe the interface."""
        return JSONResponse(openapi.describe(self.settings))


def _asked(request: Request, name: str) -> bool:
    value = request.query_params.get(name, "0")
    if value not in ("0", "1"):
        raise RequestError(400, "query", f"{name} is neither 0 nor 1", f"send ?{name}=1, or leave it out")
    return value == "1"


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _busy() -> RequestError:
    return RequestError(
        429, "busy", "the service has all it can do", "try again in a moment", {"Retry-After": "1"}
    )


def _json(answer: Shape) -> Response:
    return Response(answer.json_bytes(), media_type="application/json")


def application(settings: Settings, champion: Champion) -> Starlette:
    """Return the application, which `serving.guard` is to be put before."""
    service = Service(settings, champion)

    async def page(_: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def docs(_: Request) -> Response:
        return FileResponse(PAGE / "docs.html")

    routes = [
        Route("/", page),
        Route("/docs", docs),
        Route("/docs.json", service.described),
        Route("/predict", service.predict, methods=["POST"]),
        Route("/predict/batch", service.predict_batch, methods=["POST"]),
        Route("/model", service.model),
        Route("/model/card", service.model_card),
        Route("/metrics", service.counted),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    handled = dict.fromkeys((RequestError, AudioError, HTTPException, Exception), refused)
    return Starlette(routes=routes, exception_handlers=handled)
