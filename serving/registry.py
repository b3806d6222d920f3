"""The registry as the service sees it: the version that carries the alias champion, fetched from MLflow."""

import json
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# A connection that is kept would go on reading a database that was moved away or replaced.
os.environ.setdefault("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")

import mlflow
import yaml
from mlflow.exceptions import MlflowException

from pipeline.detector import Detector
from pipeline.version import CARD, Version, known
from serving.champion import Found

logging.getLogger("mlflow").setLevel(logging.WARNING)

ALIAS = "champion"
FILE = "sqlite:///"
DEFAULT = f"{FILE}mlflow.db"


def champion(name: str) -> Found | None:
    """Return the champion of a registered model; None where none is.

    Raises
    ------
    Exception
        Of any kind, where MLflow does not answer.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    if uri.startswith(FILE) and not Path(uri.removeprefix(FILE)).is_file():
        raise FileNotFoundError(f"there is no database {uri}")  # MLflow would make an empty one
    client = mlflow.MlflowClient(uri)
    try:
        found = client.get_model_version_by_alias(name, ALIAS)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise
    key = (found.name, str(found.version), str(found.run_id))
    return Found(key, lambda: _fetched(client, *key))


def _fetched(client: Any, name: str, number: str, run_id: str) -> Version:
    mlflow.set_tracking_uri(client.tracking_uri)
    run = client.get_run(run_id)
    date = datetime.fromtimestamp(run.info.start_time / 1000, UTC).date().isoformat()
    with tempfile.TemporaryDirectory() as folder:
        fetched = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{number}", dst_path=folder))
        # The detector itself, not MLflow's wrapping of it, which would put the model's code before ours.
        detector = Detector.load(next(fetched.rglob("detector.skops")).parent)
        signature = yaml.safe_load((fetched / "MLmodel").read_text())["signature"]
    classes = sorted(column["name"] for column in json.loads(signature["outputs"]))
    carded = CARD in {file.path for file in client.list_artifacts(run_id)}
    card = mlflow.artifacts.load_text(f"runs:/{run_id}/{CARD}") if carded else None
    facts = known(name, number, date, run.data.tags, run.data.metrics)
    return Version(detector, {**facts, "classes": classes}, card)
