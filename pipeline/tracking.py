"""Everything said to MLflow: runs, the registered detectors, and which of them is the champion."""

import logging
import os
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own seven take minutes to give up
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import git
import mlflow
import numpy as np
import pandas as pd
import psutil
from filelock import FileLock
from matplotlib.figure import Figure
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, DataType, Schema, TensorSpec
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT
from sqlalchemy.exc import SQLAlchemyError

from pipeline.audio import RATE
from pipeline.detector import Detector
from pipeline.stage import ROOT, PipelineError
from pipeline.version import known as known_of

# MLflow tells at length how it creates tables and checks examples; what matters comes as an error.
logging.getLogger("mlflow").setLevel(logging.WARNING)

DEFAULT = "sqlite:///mlflow.db"
CHAMPION = "champion"
CARD = "card.md"
PATIENCE = 10.0  # seconds to wait for a database that another process writes to

# What a registered detector needs to answer; DVC, Hydra and the rest of the pipeline it does not.
REQUIREMENTS = ("librosa", "numpy", "pandas", "scikit-learn", "skops", "soundfile", "soxr")
OF_NETWORKS = ("keras", "tensorflow")  # loaded where a network was trained, and nowhere else


def connect() -> None:
    """Point MLflow at ``MLFLOW_TRACKING_URI`` or ``sqlite:///mlflow.db``, and see that it answers.

    Raises
    ------
    PipelineError
        Where the database is locked or the server cannot be reached.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    mlflow.set_tracking_uri(uri)
    with answering():
        if uri.startswith("sqlite:///"):
            _prepare(Path(uri.removeprefix("sqlite:///")))
        else:
            mlflow.search_experiments(max_results=1)


@contextmanager
def answering() -> Iterator[None]:
    """Say what a person can do where MLflow fails in the block, or in the function that this decorates."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error) as error:
        reason = str(error).strip().splitlines()[0]
        raise PipelineError(
            f"MLflow does not answer at {mlflow.get_tracking_uri()} ({reason}): see whether another program "
            "holds the database, its disk is full or the server is down, or set MLFLOW_TRACKING_URI to "
            "another"
        ) from None


def _prepare(database: Path) -> None:
    """Create the database's tables once: stages that start together would race in its migrations."""
    database.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{database}.lock"):
        # MLflow retries for minutes on a locked database; asking first says so in seconds.
        with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
            connection.execute("BEGIN IMMEDIATE")
        mlflow.search_experiments(max_results=1)


@contextmanager
def run(experiment: str, name: str, tags: Mapping[str, str], same: str | None = None) -> Iterator[str]:
    """Open a run; it ends as failed where the block raises. Yields its id.

    Where `same` names one of the tags, an earlier run with the same value of it is gone on with.
    """
    with answering():
        mlflow.set_experiment(experiment)
        mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")  # how the UI shows it
        _close_killed(experiment)
        earlier = _earlier(experiment, f"tags.{same} = '{tags[same]}'") if same else None
        with mlflow.start_run(earlier, run_name=name, tags={**tags, **_origin()}) as active:
            yield active.info.run_id


def _earlier(experiment: str, alike: str) -> str | None:
    """Return the id of the latest run that is alike, if any."""
    found = mlflow.search_runs(experiment_names=[experiment], filter_string=alike, output_format="list")
    return found[0].info.run_id if found else None


@contextmanager
def nested(name: str, tags: Mapping[str, str]) -> Iterator[None]:
    """Open a run inside the open one."""
    with mlflow.start_run(run_name=name, nested=True, tags={**tags, **_origin()}):
        yield


def _origin() -> dict[str, str]:
    """Return the tags that say which process, of which code, a run is of."""
    return {"host": socket.gethostname(), "pid": str(os.getpid()), MLFLOW_GIT_COMMIT: commit()}


def _close_killed(experiment: str) -> None:
    """Mark runs as killed whose process on this machine is gone without a word."""
    running = mlflow.search_runs(
        experiment_names=[experiment], filter_string="attributes.status = 'RUNNING'", output_format="list"
    )
    for old in running:
        pid = old.data.tags.get("pid")
        if old.data.tags.get("host") == socket.gethostname() and pid and not _alive(int(pid), old):
            mlflow.MlflowClient().set_terminated(old.info.run_id, status="KILLED")


def _alive(pid: int, run: Run) -> bool:
    """Tell whether a run's process is there: one younger than the run has only taken over its number."""
    try:
        return bool(psutil.Process(pid).create_time() * 1000 <= run.info.start_time)
    except psutil.NoSuchProcess:
        return False


def commit() -> str:
    """Return the git commit of the code, with ``+changes`` where files differ from it; "" outside git."""
    try:
        repository = git.Repo(ROOT)
        return f"{repository.head.commit.hexsha}{'+changes' if repository.is_dirty() else ''}"
    except (git.GitError, ValueError):
        return ""


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested settings to ``{"estimator.units": 300, …}``."""
    flattened: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flattened |= flat(value, f"{prefix}{key}.")
        else:
            flattened[f"{prefix}{key}"] = value
    return flattened


def log_params(settings: Mapping[str, Any]) -> None:
    """Log nested settings as flat parameters."""
    mlflow.log_params(flat(settings))


def log_tags(tags: Mapping[str, str]) -> None:
    """Log what is to be found by, and may change."""
    mlflow.set_tags(dict(tags))


def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
    """Log metrics of the whole run, or of a step of it."""
    mlflow.log_metrics(dict(metrics), step=step)


def log_curves(history: Mapping[str, list[float]]) -> None:
    """Log a value an epoch for each curve, but for those that were logged as they came."""
    run_id = mlflow.active_run().info.run_id
    for name, values in history.items():
        told = {metric.step for metric in mlflow.MlflowClient().get_metric_history(run_id, name)}
        for epoch, value in enumerate(values, start=1):
            if epoch not in told:
                mlflow.log_metric(name, value, step=epoch)


def log_figures(figures: Mapping[str, Figure]) -> None:
    """Log figures as PNG."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"figures/{name}.png")


def log_file(path: Path) -> None:
    """Log a file at the top of the run's artifacts."""
    mlflow.log_artifact(str(path))


def log_dataset(clips: pd.DataFrame, name: str, digest: str, context: str) -> None:
    """Log which clips a run used: their table and a digest of it."""
    dataset = mlflow.data.from_pandas(clips, name=name, targets="label", digest=digest[:32])
    mlflow.log_input(dataset, context=context)


def log_detector(detector: Detector) -> str:
    """Log a detector to the open run, with signature and input example, as data without pickled code.

    Returns
    -------
    str
        Its address, for `register`.
    """
    second = (0.1 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.float32)[np.newaxis]
    signature = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, -1), name=None)]),
        outputs=Schema([ColSpec(DataType.double, name) for name in detector.classes]),
    )
    needed = [*REQUIREMENTS, *(name for name in OF_NETWORKS if name in sys.modules)]
    with tempfile.TemporaryDirectory() as folder:
        detector.save(Path(folder))
        logged = mlflow.pyfunc.log_model(
            name="detector",
            loader_module="pipeline.detector",
            data_path=folder,
            code_paths=[str(ROOT / "pipeline")],
            signature=signature,
            input_example=second,
            pip_requirements=[f"{name}=={version(name)}" for name in needed],
        )
    return str(logged.model_uri)


def find(run_id: str) -> Run:
    """Return a run.

    Raises
    ------
    PipelineError
        Where the database does not know it.
    """
    try:
        return mlflow.get_run(run_id)
    except MlflowException:
        raise PipelineError(
            f"the run {run_id} is not in {mlflow.get_tracking_uri()}: its model was trained with another "
            "database; point MLFLOW_TRACKING_URI at that one, or train again with `dvc repro --force`"
        ) from None


def predictions(run_id: str) -> pd.DataFrame:
    """Return the predictions table that a run logged."""
    find(run_id)
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(
            run_id=run_id, artifact_path="predictions.parquet", dst_path=folder
        )
        return pd.read_parquet(path)


@answering()
def register(name: str, run_id: str, address: str, tags: Mapping[str, str]) -> ModelVersion:
    """Register a run's detector, or return the version that it already is."""
    client = mlflow.MlflowClient()
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    known = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if known:
        return known[0]
    return client.create_model_version(name, source=address, run_id=run_id, tags=dict(tags))


@answering()
def tag(version: ModelVersion, tags: Mapping[str, str]) -> None:
    """Set tags of a registered version."""
    for key, value in tags.items():
        mlflow.MlflowClient().set_model_version_tag(version.name, version.version, key, value)


@answering()
def attach_card(version: ModelVersion, text: str) -> None:
    """Keep a model card with a registered version: whole with its run, its head as the description."""
    client = mlflow.MlflowClient()
    client.log_text(version.run_id, text, CARD)
    head, _, _ = text.partition("\n## ")
    pointer = f"The whole card: {CARD} of the run {version.run_id}"
    client.update_model_version(version.name, version.version, f"{head.strip()}\n\n{pointer}")


@answering()
def card(version: ModelVersion) -> str | None:
    """Return the model card of a registered version; None where it was registered without one."""
    if CARD not in {file.path for file in mlflow.MlflowClient().list_artifacts(version.run_id)}:
        return None
    return str(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{CARD}"))


@answering()
def promote(version: ModelVersion) -> None:
    """Give a version the alias ``champion``."""
    mlflow.MlflowClient().set_registered_model_alias(version.name, CHAMPION, version.version)


@answering()
def champion(name: str) -> ModelVersion | None:
    """Return the version that carries the alias ``champion``; None where none does."""
    try:
        return mlflow.MlflowClient().get_model_version_by_alias(name, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


@answering()
def registered(name: str, number: str) -> ModelVersion:
    """Return a registered version.

    Raises
    ------
    PipelineError
        Where there is none of that number, naming those that there are.
    """
    client = mlflow.MlflowClient()
    try:
        return client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        numbers = sorted(int(found.version) for found in client.search_model_versions(f"name = '{name}'"))
        there = ", ".join(map(str, numbers)) or "none: `make repro` trains and registers one"
        raise PipelineError(f"there is no version {name}/{number}; registered are {there}") from None


def known(version: ModelVersion) -> dict[str, Any]:
    """Return what is to be known of a registered version (`pipeline.version.known`)."""
    run = find(version.run_id)
    date = datetime.fromtimestamp(run.info.start_time / 1000, UTC).date().isoformat()
    return known_of(version.name, str(version.version), date, run.data.tags, run.data.metrics)


def load(name: str, version: str) -> Detector:
    """Return a registered detector."""
    return mlflow.pyfunc.load_model(f"models:/{name}/{version}").get_raw_model()  # type: ignore[no-any-return]
