import json
from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from pipeline import features, learning, split, table, tracking, train
from pipeline.architectures import SILENT
from pipeline.architectures.mlp import MLP
from pipeline.audio import decode
from pipeline.config import Config
from pipeline.detector import TRUSTED, Detector
from pipeline.stage import PipelineError
from pipeline.taxonomy import EMOTIONS

TREE = "hierarchical_original"
NODES = ("emotion", "aroused", "subdued", "distressed")
QUICK = ("architecture.estimator.max_iter=8", "architecture.estimator.units=16")


class Spy(ClassifierMixin, BaseEstimator):
    """Notes the rows that it is fitted with, and answers at random."""

    views = ("row",)
    heard: list[list[int]] = []

    def fit(self, X, y, groups=None, monitor=SILENT):
        Spy.heard.append([int(row) for row in X["row"][:, 0]])
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.random.default_rng(0).dirichlet(np.ones(len(self.classes_)), len(X["row"]))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Silent(ClassifierMixin, BaseEstimator):
    """An estimator as somebody may bring it to a node: it tells no loss."""

    views = ("statistics",)

    def fit(self, X, y, groups=None, monitor=SILENT):
        self.model_ = LogisticRegression(max_iter=20).fit(X["statistics"], y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X["statistics"])

    def predict(self, X):
        return self.model_.predict(X["statistics"])


def linked(small_build: Path, folder: Path, *stages: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        (folder / stage).symlink_to(small_build / stage)
    return folder


@pytest.fixture(scope="module")
def trained(small_build: Path, tmp_path_factory: pytest.TempPathFactory, configure) -> Iterator[Path]:
    """Train both architectures, quickly; return the build."""
    home = tmp_path_factory.mktemp("trained")
    build = linked(small_build, home / "build", "merge", "split", "augment", "features")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow.db'}")
        train.main(configure(f"build={build}", "architecture=mlp", "architecture.max_iter=8"))
        train.main(configure(f"build={build}", f"architecture={TREE}", *QUICK))
        yield build


def facts(build: Path, name: str) -> dict:
    return json.loads((build / "train" / name / "run.json").read_text())


def run_of(build: Path, name: str) -> mlflow.entities.Run:
    tracking.connect()
    return mlflow.get_run(facts(build, name)["run_id"])


@pytest.fixture
def data(small_build: Path, configure) -> learning.Data:
    return train.load(small_build, features.views(configure().features), ("statistics",))


@pytest.mark.parametrize("name", ["mlp", TREE])
def test_what_is_left_for_the_stages_after(trained: Path, small_build: Path, name: str):
    folder = trained / "train" / name
    assert sorted(p.name for p in folder.iterdir()) == [
        "figures",
        "metrics.json",
        "predictions.parquet",
        "run.json",
    ]
    assert {p.suffix for p in (folder / "figures").iterdir()} == {".png"}
    told = facts(trained, name)
    summary = json.loads((small_build / "split" / "summary.json").read_text())
    assert (told["architecture"], told["kind"]) == (name, {"mlp": "flat", TREE: "hierarchical"}[name])
    assert (told["trained_on"], told["shares_speakers"], told["splits"]) == (
        "sample",
        False,
        summary["digest"],
    )
    predictions = pd.read_parquet(folder / "predictions.parquet")
    splits = table.read(small_build / "split" / "splits.parquet")
    for part in ("validation", "test"):
        assert sorted(predictions.id[predictions.part == part]) == sorted(splits.id[splits.part == part])
    chances = predictions[[f"p_{label}" for label in EMOTIONS]]
    assert np.abs(chances.sum(axis=1) - 1).max() <= 1e-6
    assert (chances.idxmax(axis=1) == "p_" + predictions.predicted).all()
    report = json.loads((folder / "metrics.json").read_text())
    test = predictions[predictions.part == "test"]
    assert report["test"]["accuracy"] == pytest.approx((test.label == test.predicted).mean())
    recalls = [(test.predicted[test.label == label] == label).mean() for label in EMOTIONS]
    assert report["test"]["uar"] == pytest.approx(np.mean(recalls))


@pytest.mark.parametrize("name", ["mlp", TREE])
def test_what_mlflow_is_told(trained: Path, small_build: Path, name: str):
    run = run_of(trained, name)
    report = json.loads((trained / "train" / name / "metrics.json").read_text())
    assert run.info.status == "FINISHED"
    assert run.data.metrics["test.uar"] == pytest.approx(report["test"]["uar"])
    assert run.data.metrics["training.uar"] == pytest.approx(report["training"]["uar"])
    assert run.data.metrics["temperature"] == pytest.approx(report["temperature"])
    assert run.data.metrics["test.corpus.ravdess.uar"] == pytest.approx(report["test"]["uar"])
    assert {"validation.uar", "test.accuracy", "test.macro_f1", "test.fold.0.uar"} <= set(run.data.metrics)
    prefix = "architecture." if name == "mlp" else "architecture.estimator."
    assert run.data.params[f"{prefix}max_iter"] == "8"
    assert run.data.params[f"{prefix}alpha"] == {"mlp": "10.0", TREE: "0.01"}[name]
    assert (run.data.params["seed"], run.data.params["taxonomy"]) == ("9", "six")
    assert (run.data.tags["trained_on"], run.data.tags["shares_speakers"]) == ("sample", "False")
    assert run.data.tags["mlflow.source.git.commit"] == tracking.commit()
    digest = json.loads((small_build / "split" / "summary.json").read_text())["digest"]
    used = {tag.value: i.dataset for i in run.inputs.dataset_inputs for tag in i.tags}
    assert set(used) == {"training", "validation", "test"}
    assert {dataset.digest for dataset in used.values()} == {digest[:32]}
    assert {part: dataset.name for part, dataset in used.items()} == {
        part: f"sample-six-speakers-{part}" for part in used
    }
    rows = {part: json.loads(dataset.profile)["num_rows"] for part, dataset in used.items()}
    assert rows == table.read(small_build / "split" / "splits.parquet").part.value_counts().to_dict()
    artifacts = {a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"figures", "predictions.parquet"} <= artifacts
    drawn = {a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id, "figures")}
    assert drawn == {f"figures/{p.name}" for p in (trained / "train" / name / "figures").iterdir()}
    pd.testing.assert_frame_equal(
        tracking.predictions(run.info.run_id),
        pd.read_parquet(trained / "train" / name / "predictions.parquet"),
    )


def test_a_flat_network_s_loss_is_a_curve(trained: Path):
    run = run_of(trained, "mlp")
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [metric.step for metric in history] == list(range(1, 9))
    assert history[-1].value < history[0].value


def test_each_node_is_a_nested_run(trained: Path):
    parent = run_of(trained, TREE)
    children = mlflow.search_runs(
        experiment_names=["emotion-detector-six"],
        filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'",
        output_format="list",
    )
    assert sorted(child.data.tags["node"] for child in children) == sorted(NODES)
    predictions = pd.read_parquet(trained / "train" / TREE / "predictions.parquet")
    test = predictions[predictions.part == "test"]
    for child in children:
        assert child.info.status == "FINISHED"
        assert child.data.params["max_iter"] == "8"
        assert len(mlflow.MlflowClient().get_metric_history(child.info.run_id, "loss")) == 8
        assert 0 <= child.data.metrics["validation.uar"] <= 1
        if child.data.tags["node"] == "aroused":
            below = test[test.label.isin(["anger", "happy"])]
            answer = np.where(below.p_anger > below.p_happy, "anger", "happy")
            assert child.data.metrics["test.accuracy"] == pytest.approx((answer == below.label).mean())


@pytest.mark.parametrize("name", ["mlp", TREE])
def test_the_logged_detector_gives_the_predictions(trained: Path, small_build: Path, name: str):
    tracking.connect()
    model = mlflow.pyfunc.load_model(facts(trained, name)["detector"])
    assert [column.name for column in model.metadata.signature.outputs.inputs] == list(EMOTIONS)
    assert model.input_example is not None
    detector = model.get_raw_model()
    assert isinstance(detector, Detector)
    assert detector.trained_on == "sample"
    predictions = pd.read_parquet(trained / "train" / name / "predictions.parquet")
    predictions = predictions[predictions.part == "test"].head(5)
    paths = table.read(small_build / "merge" / "utterances.parquet").set_index("id").path
    sounds = [decode(small_build / "merge" / paths[clip]).samples for clip in predictions.id]
    wanted = predictions[[f"p_{label}" for label in EMOTIONS]].to_numpy()
    assert np.abs(detector.probabilities(sounds) - wanted).max() <= 1e-3


@pytest.mark.parametrize("protocol", ["speakers", "folds", "clips"])
def test_no_held_out_row_reaches_a_fit(small_build: Path, tmp_path: Path, configure, data, protocol: str):
    build = linked(small_build, tmp_path / "build", "merge", "augment")
    split.main(configure(f"build={build}", f"protocol={protocol}"))
    splits = table.read(build / "split" / "splits.parquet")
    rows = {"row": np.arange(len(data.clips))[:, np.newaxis]}
    Spy.heard.clear()
    trained = learning.fit(Spy(), learning.Data(data.clips, splits, rows), EMOTIONS, 9)
    folds = splits.fold.nunique()
    assert folds == {"speakers": 1, "folds": 4, "clips": 1}[protocol]
    assert len(Spy.heard) == folds + (folds > 1)  # several folds end with one fit of everything
    for fold, heard in zip(range(folds), Spy.heard, strict=False):
        part = splits[splits.fold == fold].set_index("id").part
        known = data.clips.iloc[heard]
        assert set(part[known.source]) == {"training"}
        assert (known.id != known.source).any()  # augmented copies among them
        out = data.clips[data.clips.id.isin(part.index[part != "training"])]
        assert not set(known.id) & set(out.id)
        assert not set(known.source) & set(out.source)
        if protocol != "clips":
            assert not set(known.speaker) & set(out.speaker)
    tested = trained.predictions[trained.predictions.part == "test"].id
    assert tested.is_unique
    assert set(tested) == set(splits.id[splits.part == "test"])
    if folds > 1:
        assert sorted(Spy.heard[-1]) == list(range(len(data.clips)))
        assert set(tested) == set(splits.id)


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize("protocol", ["speakers", "folds"])
def test_the_clips_learned_from_are_those_that_the_last_fit_hears(
    small_build: Path, tmp_path: Path, configure, data, protocol: str, refit: bool
):
    build = linked(small_build, tmp_path / "build", "merge", "augment")
    split.main(configure(f"build={build}", f"protocol={protocol}"))
    splits = table.read(build / "split" / "splits.parquet")
    divided = learning.Data(data.clips, splits, {"row": np.arange(len(data.clips))[:, np.newaxis]})
    Spy.heard.clear()
    learning.fit(Spy(), divided, EMOTIONS, 9, refit=refit)
    assert list(divided.learned(refit).id) == list(data.clips.id.iloc[Spy.heard[-1]])


def test_labels_that_mean_nothing_give_chance(data: learning.Data):
    """Ten times the labels are dealt out anew: what is right by then is luck, and luck has its bounds."""
    rng = np.random.default_rng(0)
    originals = data.clips.source.unique()
    truth = data.clips.drop_duplicates("source").set_index("source").label[originals].to_numpy()
    right = total = 0
    for seed in range(10):
        dealt = dict(zip(originals, rng.permutation(truth), strict=True))
        clips = data.clips.assign(label=data.clips.source.map(dealt))
        estimator = MLP(units=16, batch_size=16, max_iter=30, random_state=seed)
        chosen = data.part(0, "training")
        fitted = estimator.fit({"statistics": data.X["statistics"][chosen]}, clips.label.iloc[chosen])
        test = learning.predict(fitted, learning.Data(clips, data.splits, data.X), 0, "test")
        right, total = right + int((test.label == test.predicted).sum()), total + len(test)
    low, high = binom.ppf([0.0005, 0.9995], total, 1 / 6)
    assert low <= right <= high


def test_labels_that_mean_something_give_more_than_chance(data: learning.Data):
    estimator = MLP(units=16, batch_size=16, max_iter=30, random_state=0)
    report = learning.fit(estimator, data, EMOTIONS, 9).report
    assert report["test"]["accuracy"] * report["test"]["clips"] > binom.ppf(
        0.9995, report["test"]["clips"], 1 / 6
    )


def test_the_seed_repeats_a_training(data: learning.Data):
    estimator = MLP(units=8, max_iter=5, random_state=3)
    first, again = (learning.fit(estimator, data, EMOTIONS, 9) for _ in range(2))
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    assert first.report == again.report


def quick(configure, build: Path, *overrides: str) -> Config:
    return configure(f"build={build}", f"architecture={TREE}", *QUICK, *overrides)


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("+architecture.estimator.untis=3", "untis"),
        ("+architecture.nods={}", "nods"),
        ("architecture.estimator._target_=pipeline.architectures.mlp.MPL", "MPL"),
        ("architecture.estimator.view=cepstrum", "cepstrum"),
        ("architecture.estimator.alpha=-1", "alpha"),
        ("+architecture.nodes.arousd={_target_:pipeline.architectures.mlp.MLP}", "arousd"),
    ],
)
def test_a_fault_in_conf_architecture_is_named(
    small_build: Path, tmp_path: Path, database: Path, configure, override: str, named: str
):
    build = linked(small_build, tmp_path / "build", "merge", "split", "augment", "features")
    with pytest.raises(PipelineError, match=named) as refused:
        train.main(quick(configure, build, override))
    assert "conf/architecture" in str(refused.value)
    assert not list(build.glob("train/*"))
    runs = mlflow.search_runs(experiment_names=["emotion-detector-six"], output_format="list")
    assert {run.info.status for run in runs} <= {"FAILED"}


def test_a_node_may_have_an_estimator_that_tells_no_loss(
    small_build: Path, tmp_path: Path, database: Path, configure, monkeypatch: pytest.MonkeyPatch
):
    build = linked(small_build, tmp_path / "build", "merge", "split", "augment", "features")
    # The registry takes only the project's own types; this one is for the test.
    monkeypatch.setattr("pipeline.detector.TRUSTED", [*TRUSTED, f"{__name__}.Silent"])
    node = f"+architecture.nodes.aroused={{_target_:{__name__}.Silent}}"
    train.main(quick(configure, build, node))
    (run,) = mlflow.search_runs(
        experiment_names=["emotion-detector-six"], filter_string="tags.node = 'aroused'", output_format="list"
    )
    assert run.data.params["_target_"] == f"{__name__}.Silent"
    assert run.data.metrics["test.uar"] >= 0
    assert not mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
