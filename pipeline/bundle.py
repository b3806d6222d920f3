"""Bundle: the champion's version imported into BentoML, and a Bento of it that starts offline."""

import json
import logging
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
# BentoML's other way to describe the image installs uv with pip into this environment, unasked.
os.environ.setdefault("BENTOML_ENABLE_FEATURES", "no_image")

import bentoml
import mlflow
from bentoml.exceptions import BentoMLException
from mlflow.exceptions import MlflowException
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from skops.io.exceptions import UntrustedTypesFoundException

from pipeline import tracking
from pipeline.config import Config
from pipeline.detector import Detector, about
from pipeline.stage import ROOT, PipelineError, output, stage
from pipeline.version import UnfitError, Version

log = logging.getLogger("bundle")
logging.getLogger("bentoml").setLevel(logging.WARNING)  # what it adds to a file of its own is no news

SERVICE = "serving.service:EmotionDetector"
CODE = (
    "serving",
    "pipeline/__init__.py",
    "pipeline/acoustics",
    "pipeline/architectures",
    "pipeline/audibility.py",
    "pipeline/audio.py",
    "pipeline/containers.py",
    "pipeline/detector.py",
    "pipeline/taxonomy.py",
    "pipeline/version.py",
)
# What the service imports; what these need in turn is found and pinned with them.
PACKAGES = (
    "av",
    "bentoml",
    "numba",
    "filelock",
    "librosa",
    "markdown-it-py",
    "mlflow-skinny",
    "pandas",
    "prometheus-client",
    "psutil",
    "pydantic-settings",
    "python-multipart",
    "scikit-learn",
    "scipy",
    "skops",
    "soundfile",
    "soxr",
    "tqdm",
)


def read(build: Path) -> dict[str, Any]:
    """Return what the stage `promote` wrote about the champion.

    Raises
    ------
    PipelineError
        Where it has not run, or there is no champion.
    """
    path = build / "promote" / "champion.json"
    if not path.is_file():
        raise PipelineError(f"{path} is not there: run the stage 'promote' first (dvc repro does)")
    champion: dict[str, Any] = json.loads(path.read_text())
    if not champion.get("version"):
        raise PipelineError(
            f"{path} names no champion: train and promote a hierarchical model first (`make repro`)"
        )
    return champion


def import_model(champion: dict[str, Any]) -> bentoml.Model:
    """Return the champion from the BentoML model store, imported from MLflow where it is not there whole.

    A model of the same tag from another run (the database was made anew) is replaced.

    Raises
    ------
    PipelineError
        Where MLflow does not give the version away.
    """
    tag = f"{champion['name']}:{champion['version']}"
    address = f"models:/{champion['name']}/{champion['version']}"
    card = about(champion["name"], str(champion["version"]), champion["trained_on"])
    metadata = {**card, "run_id": champion["run_id"]}
    stored = [model for model in _stored(tag) if model.info.metadata == metadata and _loads(model)]
    if stored:
        return stored[0]
    tracking.connect()
    try:
        # Fetched before anything is replaced; BentoML itself fails badly where MLflow cannot give.
        with tempfile.TemporaryDirectory() as folder:
            fetched = mlflow.artifacts.download_artifacts(address, dst_path=folder)
            _describe(champion, Path(fetched))
            _delete(bentoml.models, tag)
            model = bentoml.mlflow.import_model(
                tag,
                fetched,
                signatures={"predict": {"batchable": False}},
                labels={"trained_on": champion["trained_on"]},
                metadata=metadata,
            )
    except (MlflowException, OSError, StopIteration, UnfitError, UntrustedTypesFoundException) as error:
        raise PipelineError(
            f"{address} cannot be had from MLflow whole ({error}): see whether its artifacts were moved or "
            "deleted, or train again with `dvc repro --force`"
        ) from None
    return model


def _describe(champion: dict[str, Any], folder: Path) -> None:
    """Put beside a fetched detector what is known of it, and its card; one that is not fit is refused."""
    found = tracking.registered(champion["name"], str(champion["version"]))
    detector = Detector.load(next(folder.rglob("detector.skops")).parent)
    version = Version(detector, tracking.known(found), tracking.card(found))
    version.check()
    version.describe(folder)


def _stored(tag: str) -> list[bentoml.Model]:
    try:
        return list(bentoml.models.list(tag))
    except BentoMLException:
        return []  # begun by a run that was killed


def _loads(model: bentoml.Model) -> bool:
    """Whether a stored model is whole and fit: a killed run may have left a part of it."""
    try:
        version = Version.read(Path(model.path))
        if version is not None:
            version.check()
    except Exception:  # a damaged file can fail in any way; the answer is the same
        return False
    return version is not None


def _delete(store: Any, tag: str) -> None:
    with suppress(BentoMLException):  # not there
        store.delete(tag)


def requirements() -> list[str]:
    """Return the exact installed versions of `PACKAGES` and of everything they need, ``name==version``."""
    pinned: dict[str, str] = {}
    networks = ["tensorflow"] if "tensorflow" in sys.modules else []  # the champion, once opened, needs it
    waiting = [Requirement(name) for name in (*PACKAGES, *networks)]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        if (name, *wanted.extras) in seen:
            continue
        seen.add((name, *wanted.extras))
        found = distribution(name)
        pinned[name] = found.version
        for needed in map(Requirement, found.requires or []):
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)
    del pinned["bentoml"]  # which BentoML writes down itself
    return [f"{name}=={version}" for name, version in sorted(pinned.items())]


def build(bundle: dict[str, Any]) -> None:
    """Build the Bento ``bundle["bento"]`` from the service's code alone; one of that tag is replaced."""
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder)
        for name in CODE:
            source, target = ROOT / name, context / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(source, target)
        write(bundle, context / "build" / "bundle")
        _delete(bentoml.bentos, bundle["bento"])
        name, version = bundle["bento"].split(":")
        bentoml.bentos.build(
            SERVICE,
            name=name,
            version=version,
            description=f"# Emotion Detector\n\n{bundle['name']}, version {bundle['version']}\n",
            labels={key: bundle[key] for key in ("run_id", "trained_on")},
            python={"packages": requirements(), "lock_packages": False},
            models=[bundle["model"]],
            build_ctx=str(context),
        )


def write(bundle: dict[str, Any], folder: Path) -> None:
    """Write ``bundle.json``, by which the service knows its model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.json").write_text(json.dumps(bundle, indent=2) + "\n")


def main(cfg: Config) -> None:
    """Read build/promote, write build/bundle and the BentoML stores."""
    champion = read(cfg.build)
    with output(cfg.build / "bundle") as folder:
        tag = str(import_model(champion).tag)
        kept = {key: str(champion[key]) for key in ("name", "version", "run_id", "trained_on")}
        bundle = {"model": tag, "bento": tag, **kept}
        build(bundle)
        write(bundle, folder)
    log.info("Bento %s is built: `bentoml serve %s`, or export it with `bentoml export`", tag, tag)


app = stage(main)

if __name__ == "__main__":
    app()
