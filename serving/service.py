"""The BentoML service: which model serves, and how.

``bentoml serve serving.service:EmotionDetector`` serves the version that the stage `bundle` pinned;
``EMOTION_DETECTOR_MODEL=name:version`` serves another one of the BentoML model store.
"""

import json
import os
from pathlib import Path

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import bentoml
from anyio import CapacityLimiter
from bentoml.exceptions import BentoMLException

from serving.app import THREADS, Guarded, app

# The same relative path in the repository and inside a Bento; BentoML starts the service in either folder.
BUNDLE = Path("build/bundle/bundle.json")
FIELDS = ("name", "version", "trained_on", "note")


def _tag() -> str | None:
    if override := os.environ.get("EMOTION_DETECTOR_MODEL"):
        return override
    return str(json.loads(BUNDLE.read_text())["model"]) if BUNDLE.is_file() else None


TAG = _tag()  # read on import: only then is the working folder sure to be the service's


def pinned() -> bentoml.Model:
    """Return the model to serve, from the BentoML model store.

    Raises
    ------
    BentoMLException
        Saying what to do where there is none.
    """
    if TAG is None:
        raise BentoMLException(
            f"there is no {BUNDLE} here: run `make repro`, which trains a model and bundles it"
        )
    try:
        found = bentoml.models.get(TAG)
    except BentoMLException:
        found = None
    if found is None or str(found.tag) != TAG:  # the store takes "name:1" for "name:10" too
        raise BentoMLException(
            f"the model {TAG} is not in the BentoML model store (BENTOML_HOME): run "
            "`dvc repro --force --single-item bundle`, which puts the champion there"
        )
    return found


@bentoml.service(
    name="EmotionDetector",
    workers=1,
    traffic={"timeout": 180},
    # The sender's words do not belong in a log.
    logging={"access": {"request_content_type": False}},
)
@bentoml.asgi_app(Guarded(app))
class EmotionDetector:
    """Recognises the emotion of a voice."""

    @bentoml.on_deployment
    def check() -> None:
        """Refuse to start without a model, in one message instead of one a worker."""
        pinned()

    def __init__(self) -> None:
        model = pinned()
        detector = bentoml.mlflow.load_model(model).get_raw_model()
        detector.warm_up()  # no request should wait for what is compiled once
        app.state.detector = detector
        app.state.model = {key: model.info.metadata[key] for key in FIELDS if key in model.info.metadata}
        app.state.limiter = CapacityLimiter(THREADS)
