"""The BentoML service: which model serves, and how.

``bentoml serve serving.service:EmotionDetector`` serves the version that the stage `bundle` pinned, the
champion of one's own; where there is none, the release (`pipeline.release`). ``EMOTION_DETECTOR_MODEL``
chooses: ``name:version`` another version of the BentoML model store, ``release`` the release.
"""

import json
import os
from pathlib import Path
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import bentoml
from anyio import CapacityLimiter
from bentoml.exceptions import BentoMLException

from serving.app import THREADS, Guarded, app

# The same relative path in the repository and inside a Bento; BentoML starts the service in either folder.
BUNDLE = Path("build/bundle/bundle.json")
RELEASE = Path("release").resolve()


def _tag() -> str:
    if override := os.environ.get("EMOTION_DETECTOR_MODEL"):
        return override
    return str(json.loads(BUNDLE.read_text())["model"]) if BUNDLE.is_file() else RELEASE.name


TAG = _tag()  # read on import: only then is the working folder sure to be the service's


def pinned() -> bentoml.Model | Path:
    """Return what to serve: a model of the BentoML model store, or the folder of the release.

    Raises
    ------
    BentoMLException
        Saying what to do where there is none.
    """
    if RELEASE.name == TAG:
        if (RELEASE / "model.json").is_file():
            return RELEASE
        raise BentoMLException(
            f"there is neither {BUNDLE} nor {RELEASE.name}/ here: run `make serve`, which fetches what is "
            "released, or `make repro`, which trains a model of your own and bundles it"
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


def opened(source: bentoml.Model | Path) -> tuple[Any, dict[str, str]]:
    """Return the detector, and what is said of it."""
    from pipeline.detector import ABOUT, released  # noqa: PLC0415  # seconds, in the worker alone

    if isinstance(source, Path):
        release = released(source)
        assert release is not None
        return release
    detector = bentoml.mlflow.load_model(source).get_raw_model()
    told = source.info.metadata
    return detector, {key: told[key] for key in ABOUT if key in told}


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
        app.state.detector, app.state.model = opened(pinned())
        app.state.detector.warm_up()  # no request should wait for what is compiled once
        app.state.limiter = CapacityLimiter(THREADS)
