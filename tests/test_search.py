import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest
import yaml
from filelock import FileLock
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from mlflow.entities import Run
from optuna.trial import TrialState
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import balanced_accuracy_score

from pipeline import features, learning, search, split, table, tracking, train
from pipeline.architectures import SILENT
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.config import Config, Search
from pipeline.space import choose
from pipeline.stage import ROOT, PipelineError, validated
from pipeline.study import digest, opened

QUICK = ("architecture.view=statistics", "architecture.max_iter=4", "search.space.units.high=300")


class Told(ClassifierMixin, BaseEstimator):
    """Reads a clip's number, notes it, knows the truth, and is right about as many clips as it is told."""

    views = ("statistics",)
    truth: np.ndarray
    learnt: list[list[int]] = []
    asked: list[list[int]] = []

    def __init__(self, right=1.0, epochs=0):
        self.right = right
        self.epochs = epochs

    def fit(self, X, y, groups=None, monitor=SILENT):
        Told.learnt.append([int(row) for row in X["statistics"][:, 0]])
        self.classes_ = np.unique(y)
        for epoch in range(self.epochs):
            monitor.epoch(epoch, {"loss": 1.0, "validation_uar": self.right})
        self.reached_ = self.epochs
        return self

    def predict(self, X):
        asked = X["statistics"][:, 0].astype(int)
        Told.asked.append(list(asked))
        wrong = np.arange(len(asked)) >= self.right * len(asked)
        return np.where(wrong, "nothing", Told.truth[asked])


def linked(small_build: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stage in ("merge", "split", "augment", "features"):
        (folder / stage).symlink_to(small_build / stage)
    return folder


def runs(key: str, value: str = "", order: str = "attributes.start_time") -> list[Run]:
    tracking.connect()
    alike = f"tags.`{key}` = '{value}'"
    return mlflow.search_runs(
        experiment_names=["emotion-detector-six"], filter_string=alike, order_by=[order], output_format="list"
    )


def kept(build: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=f"sqlite:///{build / 'search' / 'mlp' / 'study.db'}")


@pytest.fixture
def build(small_build: Path, tmp_path: Path) -> Path:
    return linked(small_build, tmp_path / "build")


@pytest.fixture
def quick(build: Path, configure, database: Path) -> Callable[..., Config]:
    return lambda *overrides: configure(f"build={build}", "search=mlp", *QUICK, *overrides)


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A conf/ of the test's own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.setattr(search, "ROOT", tmp_path)
    return tmp_path / "conf"


@pytest.fixture(scope="module")
def searched(small_build: Path, tmp_path_factory: pytest.TempPathFactory, configure) -> Iterator[Path]:
    """Three tries, then a fourth and a fifth by another call; return the build."""
    home = tmp_path_factory.mktemp("searched")
    build = linked(small_build, home / "build")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
        for trials in (3, 5):
            search.main(configure(f"build={build}", "search=mlp", *QUICK, f"search.trials={trials}"))
        yield build


def test_each_try_is_a_run_below_the_study_s(searched: Path):
    tries = kept(searched).trials
    assert [t.state for t in tries] == [TrialState.COMPLETE] * 5
    (parent,) = runs("search", "mlp")
    children = sorted(
        runs("mlflow.parentRunId", parent.info.run_id), key=lambda run: int(run.data.tags["try"])
    )
    assert len(children) == 5
    for run, trial in zip(children, tries, strict=True):
        assert run.info.status == "FINISHED"
        assert run.data.tags["state"] == "complete"
        assert run.data.params == {key: str(value) for key, value in trial.params.items()}
        assert run.data.metrics["validation.uar"] == pytest.approx(trial.value)
        assert run.data.metrics["validation.fold.0.uar"] == pytest.approx(trial.value)
    assert not any("test" in metric for run in [parent, *children] for metric in run.data.metrics)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["validation.uar"] == pytest.approx(max(t.value for t in tries))
    assert parent.data.tags["tries"] == "5"
    assert parent.data.params["architecture.max_iter"] == "4"
    drawn = {a.path for a in mlflow.MlflowClient().list_artifacts(parent.info.run_id, "figures")}
    assert drawn == {"figures/history.png", "figures/importance.png"}


def test_a_try_is_judged_by_the_validation_speakers(searched: Path, small_build: Path, configure):
    first = kept(searched).trials[0]
    cfg = configure(f"build={small_build}", "architecture=mlp", *QUICK[:2])
    assert first.params == {key: cfg.architecture[key] for key in first.params}  # what is to be beaten
    for trial in kept(searched).trials[:2]:
        estimator = train.make(cfg.architecture | trial.params, cfg.features.views)
        data = train.load(small_build, features.views(cfg.features), estimator.views)
        training, validation = data.part(0, "training"), data.part(0, "validation")
        labels, table = data.clips.label.to_numpy(), data.X["statistics"]
        fitted = estimator.fit({"statistics": table[training]}, labels[training])
        uar = balanced_accuracy_score(labels[validation], fitted.predict({"statistics": table[validation]}))
        assert trial.value == pytest.approx(uar)


def test_a_search_that_goes_on_tries_what_one_in_one_go_does(searched: Path, build: Path, quick):
    search.main(quick("search.trials=5"))
    assert [t.params for t in kept(build).trials] == [t.params for t in kept(searched).trials]
    assert len({str(t.params) for t in kept(build).trials}) == 5


def test_a_killed_search_tries_again_what_it_was_at(build: Path, quick, database: Path, tmp_path: Path):
    command = [sys.executable, "-m", "pipeline.search", f"build={build}", "search=mlp", "search.trials=2"]
    slow = ["architecture.max_iter=1000000", "search.space.units.high=300"]
    process = subprocess.Popen(
        [*command, *slow], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL
    )

    def begun() -> bool:
        """Tell whether MLflow knows what the first try has chosen."""
        try:
            with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as runs:
                return bool(runs.execute("select 1 from params where key = 'units'").fetchone())
        except sqlite3.Error:
            return False

    while not begun():
        assert process.poll() is None, "it ended before a try began"
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (cut,) = kept(build).trials
    assert cut.state == TrialState.RUNNING
    with opened(build / "search" / "mlp", kept(build).study_name) as study:
        assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.WAITING]
        again = study.ask()
        assert choose(again, quick().search.space) == cut.params
        assert again.number == 1
    search.main(quick("search.trials=1"))
    (killed,) = [run for run in runs("try", "0") if run.info.status == "KILLED"]
    assert killed.data.params == {key: str(value) for key, value in cut.params.items()}


@pytest.fixture
def watched(build: Path, small_build: Path, tmp_path: Path, configure, database: Path):
    """Data of four folds whose one view is the clip's number, and a search of `Told`."""
    cfg = configure(f"build={small_build}")
    data = train.load(small_build, features.views(cfg.features), ("statistics",))
    folds = tmp_path / "folds"
    folds.mkdir()
    for stage in ("merge", "augment"):
        (folds / stage).symlink_to(small_build / stage)
    split.main(configure(f"build={folds}", "protocol=folds"))
    splits = table.read(folds / "split" / "splits.parquet")
    numbers = {"statistics": np.arange(len(data.clips))[:, np.newaxis]}
    Told.truth = data.clips.label.to_numpy()
    Told.learnt, Told.asked = [], []

    def make(epochs: int, *right: float) -> tuple[learning.Data, Config]:
        space = {"right": {"choices": list(right)}}
        told = Search(name="mlp", trials=1, space=space, write=None, overwrite=False)
        architecture = {"_target_": f"{__name__}.Told", "right": 1.0, "epochs": epochs}
        return learning.Data(data.clips, splits, numbers), cfg.model_copy(
            update={"architecture": architecture, "search": told}
        )

    return make


def test_the_test_clips_are_not_looked_at(watched, tmp_path: Path):
    data, cfg = watched(0, 1.0, 0.5)
    tracking.connect()
    with opened(tmp_path, "x") as study, tracking.run("x", "x", {}):
        search.attempt(study, cfg.search, data, cfg)
    folds = sorted(data.splits.fold.unique())
    assert len(Told.learnt) == len(Told.asked) == len(folds) == 4
    for fold, learnt, asked in zip(folds, Told.learnt, Told.asked, strict=True):
        part = data.splits[data.splits.fold == fold].set_index("id").part
        assert set(part[data.clips.source.iloc[learnt]]) == {"training"}
        assert set(part[data.clips.id.iloc[asked]]) == {"validation"}
        assert set(data.clips.id.iloc[asked]) == set(part.index[part == "validation"])
        assert not set(data.clips.speaker.iloc[learnt]) & set(data.clips.speaker.iloc[asked])


@pytest.mark.parametrize(("epochs", "folds_learnt"), [(0, 1), (8, 1)])
def test_a_try_worse_than_most_is_cut_short(watched, tmp_path: Path, epochs: int, folds_learnt: int):
    data, cfg = watched(epochs, 1.0, 0.1)
    tracking.connect()
    with opened(tmp_path, "x") as study, tracking.run(cfg.experiment, "x", {}):
        for right in (1.0,) * 5 + (0.1,):
            study.enqueue_trial({"right": right})
            Told.asked, Told.learnt = [], []
            ended = search.attempt(study, cfg.search, data, cfg)
    assert ended.state == TrialState.PRUNED
    assert len(Told.learnt) == folds_learnt
    assert len(Told.asked) == (1 if epochs == 0 else 0)  # by its epochs already, or after its first fold
    (run,) = runs("state", "pruned")
    assert run.data.params == {"right": "0.1"}
    assert "validation.uar" not in run.data.metrics


def test_the_winner_becomes_an_architecture(searched: Path, build: Path, quick, conf: Path):
    shutil.copytree(searched / "search", build / "search")
    search.main(quick("search.trials=5", "search.write=mlp_tuned"))
    text = (conf / "architecture" / "mlp_tuned.yaml").read_text()
    winner = kept(build).best_trial
    assert f"# Validation UAR {winner.value:.4f}" in text
    assert kept(build).study_name in text
    assert tracking.commit() in text
    settings = yaml.safe_load(text)
    assert {"random_state", "tree"}.isdisjoint(settings)
    base = yaml.safe_load((conf / "architecture" / "mlp.yaml").read_text())
    assert settings == base | {"view": "statistics", "max_iter": 4} | winner.params
    assert not list(conf.rglob("*.partial"))
    with initialize_config_dir(str(conf), version_base="1.3"):
        given = [
            "corpora=sample",
            "taxonomy=six",
            "protocol=speakers",
            "augmentation=none",
            "features=original",
        ]
        given += ["seed=9", "architectures=[mlp_tuned]", "architecture=mlp_tuned"]
        cfg = validated(hydra_compose("config", overrides=given))
    made = train.make(cfg.architecture, cfg.features.views)
    assert (made.units, made.alpha, made.random_state) == (winner.params["units"], winner.params["alpha"], 9)


def test_a_file_that_is_there_is_kept_unless_told(build: Path, quick, conf: Path):
    file = conf / "architecture" / "mlp.yaml"
    before = file.read_text()
    with pytest.raises(PipelineError, match="is there already"):
        search.main(quick("search.trials=1", "search.write=mlp"))
    assert file.read_text() == before
    assert not (build / "search").exists()  # said before anything is tried
    search.main(quick("search.trials=1", "search.write=mlp", "search.overwrite=true"))
    assert file.read_text() != before


def test_a_tree_is_searched(build: Path, database: Path, configure, conf: Path):
    only = ("search.trials=1", "search.write=tree_2")
    cfg = configure(f"build={build}", "search=hierarchical", "architecture.estimator.view=statistics", *only)
    search.main(cfg)
    settings = yaml.safe_load((conf / "architecture" / "tree_2.yaml").read_text())
    assert "tree" not in settings
    assert "random_state" not in settings["estimator"]
    assert settings["_target_"].endswith(Hierarchical.__name__)


def test_scores_that_do_not_compare_are_kept_apart(quick):
    alike = digest(quick(), quick().search, "a")
    assert digest(quick("search.trials=9"), quick().search, "a") == alike
    others = [
        "seed=4",
        "taxonomy=four",
        "augmentation=double",
        "architecture.max_iter=5",
        "search.space.alpha.high=2",
    ]
    digests = [digest(cfg, cfg.search, "a") for cfg in map(quick, others)]
    assert len({alike, digest(quick(), quick().search, "b"), *digests}) == len(others) + 2


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ([], r"search=.*mlp"),
        (["search=mlp", "protocol=clips"], "shares speakers"),
        (
            ["search=mlp", "architecture=hierarchical_original"],
            r"'scale', which the architecture lacks.*estimator\.scale",
        ),
        (["search=mlp", "+search.space.untis={low: 1, high: 2}"], "'untis', which the architecture lacks"),
        (["search=mlp", "search.space.scale.choices=[some, many]"], "scale.*the search had chosen"),
        (["search=mlp", "build=nowhere"], "run the stage 'split' first"),
    ],
)
def test_a_fault_is_named(configure, build: Path, database: Path, overrides: list[str], named: str):
    given = {o.split("=")[0]: o for o in (f"build={build}", *overrides)}
    with pytest.raises(PipelineError, match=named):
        search.main(configure(*given.values()))


def test_two_searches_do_not_share_a_study(build: Path, quick):
    (build / "search" / "mlp").mkdir(parents=True)
    with (
        FileLock(build / "search" / "mlp" / "study.lock"),
        pytest.raises(PipelineError, match="another search"),
    ):
        search.main(quick())


def test_a_broken_study_says_how_to_begin_anew(build: Path, quick):
    (build / "search" / "mlp").mkdir(parents=True)
    (build / "search" / "mlp" / "study.db").write_bytes(b"not a database" * 100)
    with pytest.raises(PipelineError, match="remove it to begin the search anew"):
        search.main(quick())
