import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from pipeline import tracking
from pipeline.acoustics.statistics import Statistics
from pipeline.architectures.mlp import MLP
from pipeline.detector import Detector
from pipeline.stage import ROOT, PipelineError
from pipeline.taxonomy import EMOTIONS


@pytest.fixture(scope="module")
def detector() -> Detector:
    X = np.random.default_rng(0).normal(size=(12, 193)).astype(np.float32)
    estimator = MLP(units=4, max_iter=3, random_state=0).fit({"statistics": X}, np.repeat(EMOTIONS, 2))
    tree = {
        "aroused": ["happy", "anger"],
        "subdued": {"neutral": None, "distressed": ["sad", "fear", "disgust"]},
    }
    return Detector(estimator, {"statistics": Statistics()}, tree, "sample")


def status(run_id: str) -> str:
    return str(mlflow.get_run(run_id).info.status)


def test_the_address_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    elsewhere = tmp_path / "new" / "place" / "runs.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{elsewhere}")
    tracking.connect()
    assert mlflow.get_tracking_uri() == f"sqlite:///{elsewhere}"
    assert elsewhere.is_file()


@pytest.mark.parametrize("value", [None, ""])
def test_without_it_the_database_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None):
    monkeypatch.chdir(tmp_path)
    if value is None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", value)
    tracking.connect()
    assert mlflow.get_tracking_uri() == "sqlite:///mlflow.db"
    assert (tmp_path / "mlflow.db").is_file()


def test_a_locked_database_is_a_message(database: Path, monkeypatch: pytest.MonkeyPatch):
    tracking.connect()
    monkeypatch.setattr(tracking, "PATIENCE", 0.3)
    with closing(sqlite3.connect(database)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(PipelineError, match=r"locked.*another program holds the database") as refused:
            tracking.connect()
        assert str(database) in str(refused.value)
    tracking.connect()  # and once it is let go, on it goes


def test_a_file_that_is_no_database_is_a_message(database: Path):
    database.write_bytes(b"this is a text and not a database" * 100)
    with pytest.raises(PipelineError, match="not a database"):
        tracking.connect()
    assert database.read_bytes().startswith(b"this is a text")


def test_a_server_that_is_down_is_a_message(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(PipelineError, match=r"does not answer at http://127\.0\.0\.1:9"):
        tracking.connect()


def test_a_run_says_whence_it_came_and_how_it_ended(database: Path):
    tracking.connect()
    with tracking.run("test", "good", {"node": "x"}) as good:
        assert status(good) == "RUNNING"

    def fail() -> None:
        with tracking.run("test", "bad", {}):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    runs = {
        run.info.run_name: run for run in mlflow.search_runs(experiment_names=["test"], output_format="list")
    }
    assert {name: run.info.status for name, run in runs.items()} == {"good": "FINISHED", "bad": "FAILED"}
    tags = runs["good"].data.tags
    assert (tags["node"], tags["pid"]) == ("x", str(os.getpid()))
    assert tags["mlflow.source.git.commit"] == tracking.commit()
    assert mlflow.active_run() is None


KILLED = """
import os, signal
from pipeline import tracking
tracking.connect()
with tracking.run("test", "killed", {}) as run_id, tracking.nested("node", {}):
    print(run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_is_marked_by_the_next(database: Path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    killed = done.stdout.strip()
    tracking.connect()
    assert status(killed) == "RUNNING"
    with tracking.run("test", "next", {}) as following:
        assert status(killed) == "KILLED"
        assert status(following) == "RUNNING"
        # A run that is still at it, here beside us, is left alone.
        mlflow.MlflowClient().create_run("1", tags={"host": os.uname().nodename, "pid": str(os.getppid())})
        nested = mlflow.search_runs(
            experiment_names=["test"], filter_string="attributes.run_name = 'node'", output_format="list"
        )
        assert [run.info.status for run in nested] == ["KILLED"]
    with tracking.run("test", "after", {}):
        runs = mlflow.search_runs(experiment_names=["test"], output_format="list")
        assert sorted(run.info.status for run in runs) == [
            "FINISHED",
            "KILLED",
            "KILLED",
            "RUNNING",
            "RUNNING",
        ]


def test_a_killed_run_whose_number_another_process_has_got_is_marked(database: Path):
    """Numbers come back soon where each run has a container of its own."""
    tracking.connect()
    experiment = mlflow.create_experiment("test")
    tags = {"host": os.uname().nodename, "pid": str(os.getpid())}
    old = mlflow.MlflowClient().create_run(experiment, start_time=1_000, tags=tags).info.run_id
    with tracking.run("test", "next", {}):
        assert status(old) == "KILLED"


def test_settings_become_flat():
    nested = {"seed": 9, "estimator": {"units": 300, "more": {"alpha": 0.01}}, "nodes": {}, "views": ["a"]}
    assert tracking.flat(nested) == {
        "seed": 9,
        "estimator.units": 300,
        "estimator.more.alpha": 0.01,
        "nodes": {},
        "views": ["a"],
    }


def test_what_is_logged_can_be_read(database: Path, tmp_path: Path):
    tracking.connect()
    clips = pd.DataFrame({"id": ["a", "b"], "label": ["sad", "happy"]})
    clips.to_parquet(tmp_path / "predictions.parquet")
    with tracking.run("test", "run", {}) as run_id:
        tracking.log_params({"architecture": {"units": 3}})
        tracking.log_metrics({"test.uar": 0.5})
        tracking.log_curves({"loss": [3.0, 2.0, 1.0]})
        tracking.log_dataset(clips, "sample", "f" * 64, "training")
        tracking.log_file(tmp_path / "predictions.parquet")
    run = tracking.find(run_id)
    assert run.data.params == {"architecture.units": "3"}
    assert run.data.metrics == {"test.uar": 0.5, "loss": 1.0}
    history = mlflow.MlflowClient().get_metric_history(run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 3.0), (2, 2.0), (3, 1.0)]
    (used,) = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("sample", "f" * 32)
    assert [tag.value for tag in used.tags] == ["training"]
    pd.testing.assert_frame_equal(tracking.predictions(run_id), clips)


def test_a_run_of_another_database_is_a_message(database: Path):
    tracking.connect()
    with pytest.raises(PipelineError, match=r"the run 0123 is not in sqlite.*MLFLOW_TRACKING_URI"):
        tracking.find("0123")


def test_a_detector_is_registered_once_and_may_be_champion(database: Path, detector: Detector):
    tracking.connect()
    assert tracking.champion("emotion-detector-six") is None
    with tracking.run("test", "one", {}) as one:
        address = tracking.log_detector(detector)
    first = tracking.register("emotion-detector-six", one, address, {"trained_on": "sample"})
    again = tracking.register("emotion-detector-six", one, address, {"trained_on": "sample"})
    assert (str(first.version), str(again.version)) == ("1", "1")
    assert len(mlflow.MlflowClient().search_model_versions("name = 'emotion-detector-six'")) == 1
    assert tracking.champion("emotion-detector-six") is None  # the name is known now, the alias is not
    tracking.promote(first)
    tracking.tag(first, {"reason": "there was no champion"})
    champion = tracking.champion("emotion-detector-six")
    assert champion is not None
    assert (str(champion.version), champion.run_id) == ("1", one)
    assert champion.tags == {"trained_on": "sample", "reason": "there was no champion"}
    with tracking.run("test", "two", {}) as two:
        address = tracking.log_detector(detector)
    second = tracking.register("emotion-detector-six", two, address, {})
    assert str(second.version) == "2"
    assert str(tracking.champion("emotion-detector-six").version) == "1"
    tracking.promote(second)
    assert str(tracking.champion("emotion-detector-six").version) == "2"
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    loaded = tracking.load("emotion-detector-six", "1")
    assert np.array_equal(loaded.probabilities([sound]), detector.probabilities([sound]))


def test_a_version_keeps_its_card(database: Path, detector: Detector):
    tracking.connect()
    with tracking.run("test", "one", {}) as one:
        address = tracking.log_detector(detector)
    version = tracking.register("emotion-detector-six", one, address, {})
    assert tracking.card(version) is None
    tracking.attach_card(version, "# Draft\n")
    text = "# A model – of voices\n\nUAR 0.5.\n\n## Limits\n\nMany.\n"
    tracking.attach_card(version, text)
    assert tracking.card(version) == text
    described = mlflow.MlflowClient().get_model_version("emotion-detector-six", "1").description
    assert described == f"# A model – of voices\n\nUAR 0.5.\n\nThe whole card: card.md of the run {one}"


def test_the_commit_is_git_s():
    told = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    if told.returncode:
        assert tracking.commit() == ""
        return
    assert tracking.commit().removesuffix("+changes") == told.stdout.strip()
    changed = subprocess.run(
        ["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, check=True
    )
    assert tracking.commit().endswith("+changes") == bool(changed.stdout)


def test_says_what_to_do_where_mlflow_fails_within_a_run(database: Path) -> None:
    tracking.connect()
    with (
        pytest.raises(PipelineError, match=r"mlflow\.db \(disk is full\): see whether"),
        tracking.run("e", "r", {}),
    ):
        raise MlflowException("disk is full\nand a stack of reasons")
    (run,) = mlflow.search_runs(experiment_names=["e"], output_format="list")
    assert run.info.status == "FAILED"
