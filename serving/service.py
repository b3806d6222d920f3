"""The BentoML service: the application of `serving.app`, in as many workers as the settings say.

``bentoml serve serving.service:EmotionDetector`` serves the version that the stage `bundle` pinned, the
champion of one's own; where there is none, the release (`pipeline.release`). ``settings.yaml`` says more.
"""

import os

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own seven take minutes to give up
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import bentoml
from bentoml.exceptions import BentoMLException

from serving.champion import Champion, at_start
from serving.follow import follower
from serving.guard import Guard
from serving.settings import SettingsError, load

try:
    settings = load()
except SettingsError as error:
    raise BentoMLException(str(error)) from None
champion, guard = Champion(), Guard(settings)


@bentoml.service(
    name="EmotionDetector",
    workers=settings.workers,
    traffic={"timeout": settings.timeout + 30},  # should ours fail
    logging={"access": {"enabled": False}},  # ours says more, and nothing that clients send
    metrics={"enabled": False},  # ours have no label that clients make up
)
@bentoml.asgi_app(guard)
class EmotionDetector:
    """Recognises the emotion of a voice."""

    @bentoml.on_deployment
    def check() -> None:
        """Refuse to start without a model, in one message instead of one a worker."""
        at_start(settings.model)

    def __init__(self) -> None:
        from pipeline.version import UnfitError  # noqa: PLC0415  # seconds, in the workers alone
        from serving import picture  # noqa: PLC0415
        from serving.app import application  # noqa: PLC0415

        guard.app = application(settings, champion)
        try:
            champion.take(at_start(settings.model))
        except UnfitError as error:
            raise BentoMLException(f"the model is not fit to serve: {error}") from None
        picture.warm_up()
        self.follower = follower(champion, settings)
        if self.follower is not None:
            self.follower.once()  # a worker that takes another's place is to answer as the others do
            self.follower.start()

    @bentoml.on_shutdown
    def end(self) -> None:
        """Stop looking for another champion."""
        if self.follower is not None:
            self.follower.stop()

    def __is_ready__(self) -> bool:
        """Tell whether there is a model to answer with."""
        return champion.version is not None
