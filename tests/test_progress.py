import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from pipeline import tracking
from pipeline.progress import Progress
from pipeline.stage import ROOT

STATE = {"weights": np.arange(6.0).reshape(2, 3), "epoch": np.array(4)}


def test_what_is_saved_comes_back(tmp_path: Path):
    progress = Progress(tmp_path / "key")
    assert progress.saved() is None
    progress.save(STATE)
    progress.save(STATE | {"epoch": np.array(5)})
    kept = Progress(tmp_path / "key").saved()
    assert kept.keys() == STATE.keys()
    assert np.array_equal(kept["weights"], STATE["weights"])
    assert kept["epoch"] == 5
    assert [path.name for path in (tmp_path / "key").iterdir()] == ["learn.npz"]


def test_parts_are_kept_apart(tmp_path: Path):
    progress = Progress(tmp_path)
    node = progress.within("fold_0").within("aroused")
    node.save(STATE)
    assert progress.saved() is progress.within("fold_1").saved() is None
    assert progress.within("fold_0").within("aroused").saved().keys() == STATE.keys()


@pytest.mark.parametrize("cut", [0, 3, 100])
def test_a_torn_checkpoint_counts_for_nothing(tmp_path: Path, cut: int):
    progress = Progress(tmp_path)
    progress.save(STATE)
    whole = (tmp_path / "learn.npz").read_bytes()
    (tmp_path / "learn.npz").write_bytes(whole[:cut])
    assert progress.saved() is None
    (tmp_path / "learn.npz").write_bytes(whole)
    (tmp_path / "learn.partial").write_bytes(whole[:cut])  # killed while it wrote the next
    assert progress.saved().keys() == STATE.keys()


def test_only_the_same_learning_goes_on(tmp_path: Path):
    with suppress(KeyboardInterrupt), Progress.of(tmp_path / "c", units=3, splits="a") as progress:
        progress.save(STATE)
        raise KeyboardInterrupt
    with Progress.of(tmp_path / "c", units=4, splits="a") as other:
        assert other.saved() is None
        other.save(STATE)
    with Progress.of(tmp_path / "c", splits="a", units=3) as again:
        assert again.saved().keys() == STATE.keys()
    assert not (tmp_path / "c").exists()  # both came to their end


def test_each_epoch_is_in_mlflow_as_soon_as_it_is_over(tmp_path: Path, database: Path):
    tracking.connect()
    with tracking.run("test", "live", {}) as run_id:
        progress = Progress(tmp_path).within("fold_0")
        for epoch in range(3):
            progress.epoch(epoch, {"loss": 1.0 / (epoch + 1), "validation_uar": 0.5})
            assert mlflow.get_run(run_id).data.metrics["loss.fold_0"] == 1.0 / (epoch + 1)
        # What an earlier, killed run told is missing here; what is here is not told twice.
        tracking.log_curves({"loss.fold_0": [1.0, 0.5, 1 / 3], "loss.all": [2.0]})
    told = mlflow.MlflowClient().get_metric_history(run_id, "loss.fold_0")
    assert [(metric.step, metric.value) for metric in told] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert mlflow.get_run(run_id).data.metrics["loss.all"] == 2.0


def training(build: Path, home: Path) -> subprocess.Popen:
    settings = {
        "filters": "[4,8]",
        "weights": "none",
        "preparation.bands": 16,
        "preparation.frames": 1,
        "training.epochs": 6,
        "training.frames": 32,
        "training.validation": 0.4,
    }
    overrides = [f"architecture.{key}={value}" for key, value in settings.items()]
    environment = os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}"}
    command = [sys.executable, "-m", "pipeline.train", f"build={build}", "architecture=vgg", *overrides]
    return subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)


def test_a_killed_training_goes_on_from_its_last_epoch(small_build: Path, tmp_path: Path):
    tables = {}
    for name in ("whole", "killed"):
        build = tmp_path / name / "build"
        build.mkdir(parents=True)
        for stage in ("merge", "split", "augment", "features"):
            (build / stage).symlink_to(small_build / stage)
        process = training(build, tmp_path / name)
        if name == "killed":
            checkpoint = build / "checkpoints"
            while not (kept := list(checkpoint.glob("*/*.npz"))) or epochs(kept[0]) < 2:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            before = epochs(kept[0])
            assert 2 <= before < 6
            process = training(build, tmp_path / name)
        assert process.wait() == 0
        assert not (build / "checkpoints").exists()
        tables[name] = pd.read_parquet(build / "train" / "vgg" / "predictions.parquet")
    pd.testing.assert_frame_equal(tables["killed"], tables["whole"])
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'killed' / 'mlflow.db'}")
    runs = mlflow.search_runs(experiment_names=["emotion-detector-six"], output_format="list")
    finished = next(run.info.run_id for run in runs if run.info.status == "FINISHED")
    told = mlflow.MlflowClient().get_metric_history(finished, "loss")
    assert sorted(metric.step for metric in told) == [1, 2, 3, 4, 5, 6]
    described = json.loads((build / "train" / "vgg" / "run.json").read_text())
    needed = Path(mlflow.pyfunc.get_model_dependencies(described["detector"])).read_text()
    assert "tensorflow==" in needed
    first = min(told, key=lambda metric: (metric.timestamp, metric.step))
    assert first.step > before - 1  # it did not begin anew


def epochs(checkpoint: Path) -> int:
    with np.load(checkpoint) as arrays:
        return len(arrays["history_loss"])
