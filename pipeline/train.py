"""Train: fit one architecture on each fold, score it on speakers it has not heard, log the detector."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.base import clone
from tqdm import tqdm

from pipeline import evaluation, figures, store, table, tracking
from pipeline.architectures import SILENT, Monitor, rows
from pipeline.architectures.best import Best
from pipeline.architectures.calibrated import Calibrated, temperature
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.config import Config, Instance
from pipeline.detector import Detector
from pipeline.features import views
from pipeline.progress import Progress
from pipeline.stage import PipelineError, output, stage
from pipeline.taxonomy import Node

log = logging.getLogger("train")


@dataclass(frozen=True)
class Data:
    """The clips of a run and their views, row by row alike.

    Attributes
    ----------
    clips : DataFrame
        Originals and augmented copies: `pipeline.table.Utterances` plus ``source``, the id of the
        original (its own, for an original).
    splits : DataFrame
        `pipeline.table.Splits`, of the originals.
    X : mapping of views
    """

    clips: pd.DataFrame
    splits: pd.DataFrame
    X: Mapping[str, Any]

    def part(self, fold: int, part: str) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Return the rows of a part of a fold; augmented copies are in no part but training."""
        chosen = self.splits.id[(self.splits.fold == fold) & (self.splits.part == part)]
        inside = self.clips.source.isin(chosen)
        if part != "training":
            inside &= self.clips.id == self.clips.source
        return np.flatnonzero(inside)

    def learned(self, refit: bool) -> pd.DataFrame:
        """Return the clips from which the estimator that will answer learns (see `fit`)."""
        if self.splits.fold.nunique() > 1:
            return self.clips
        parts = ("training", "validation") if refit else ("training",)
        return self.clips.iloc[np.sort(np.concatenate([self.part(0, part) for part in parts]))]


@dataclass(frozen=True)
class Fold:
    """What was fitted for one fold.

    Attributes
    ----------
    judged : fitted estimator
        Learned from the training clips: its answers on the validation clips say how good the recipe is,
        and how sure it should be.
    tested : fitted estimator
        The one whose answers on the test clips are reported: `judged` itself, or the same recipe fitted
        again on training and validation clips (``refit`` of conf/protocol).
    temperature : float
        Found on the validation clips: see `pipeline.architectures.calibrated`.
    """

    judged: Any
    tested: Any
    temperature: float


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes
    ----------
    folds : list of Fold
    estimator : Calibrated
        The one that will answer: the fold's own where there is one, else made from all clips, the folds
        having told how well the recipe does.
    predictions : DataFrame
        See `pipeline.evaluation`.
    report : dict
        `pipeline.evaluation.report` of them, the mean UAR on the training clips, how well the sure answers
        do (`pipeline.evaluation.selective`), and the temperature of `estimator`.
    """

    folds: list[Fold]
    estimator: Calibrated
    predictions: pd.DataFrame
    report: dict[str, Any]


def load(build: Path, features: Mapping[str, Any], names: tuple[str, ...]) -> Data:
    """Read the clips that have features, and the named views of them."""
    splits = table.read(build / "split" / "splits.parquet")
    originals = table.read(build / "merge" / "utterances.parquet")
    originals = originals[originals.id.isin(splits.id)].assign(source=lambda t: t.id)
    copies = table.read(build / "augment" / "copies.parquet")[["id", "source"]]
    copies = copies.merge(originals.drop(columns=["id"]), on="source")
    left_out = table.read(build / "features" / "quarantine.parquet").path.map(lambda path: Path(path).stem)
    clips = pd.concat([originals, copies], ignore_index=True)
    clips = clips[~clips.id.isin(left_out) & ~clips.source.isin(left_out)].reset_index(drop=True)
    X = {name: store.read(build / "features", name, features[name], clips.id) for name in names}
    return Data(clips, splits, X)


def make(architecture: Instance, at_hand: Mapping[str, Any]) -> Any:
    """Make the estimator that conf/architecture describes.

    Raises
    ------
    PipelineError
        For a key that it does not know, or a view that conf/features lacks.
    """
    try:
        estimator = instantiate(architecture, _convert_="all")
    except Exception as error:
        cause = error.__cause__ or error
        raise PipelineError(
            f"conf/architecture does not fit {architecture.get('_target_')}: {cause}"
        ) from None
    if unknown := set(estimator.views) - set(at_hand):
        raise PipelineError(
            f"conf/architecture asks for the views {sorted(unknown)}; conf/features has {sorted(at_hand)}"
        )
    return estimator


def fit(
    estimator: Any,
    data: Data,
    classes: tuple[str, ...],
    seed: int,
    monitor: Monitor = SILENT,
    refit: bool = False,
    unsure: float = 0.0,
) -> Trained:
    """Fit an architecture on each fold and score it on the clips that the fold held out.

    `refit` is that of conf/protocol, `unsure` that of conf/config.yaml.
    """
    labels, speakers = data.clips.label.to_numpy(), data.clips.speaker.to_numpy()
    folds, numbers, parts, raw, heard = [], sorted(data.splits.fold.unique()), [], [], []
    for number in tqdm(numbers, desc="train", unit="fold"):
        told = monitor.within(f"fold_{number}") if len(numbers) > 1 else monitor
        training, validation = data.part(number, "training"), data.part(number, "validation")

        def learned(clips: NDArray[np.intp], told: Monitor) -> Any:
            return learn(estimator, rows(data.X, clips), labels[clips], speakers[clips], told)

        judged = learned(training, told)
        heard.append(evaluation.scores(labels[training], judged.predict(rows(data.X, training)))["uar"])
        raw.append((judged.predict_proba(rows(data.X, validation)), labels[validation]))
        found = temperature(*raw[-1], judged.classes_)
        both = np.sort(np.concatenate([training, validation]))
        tested = learned(both, told.within("refit")) if refit else judged
        folds.append(Fold(judged, tested, found))
        parts.append(predict(Calibrated(judged, found), data, number, "validation"))
        parts.append(predict(Calibrated(tested, found), data, number, "test"))
    if len(folds) == 1:
        final = Calibrated(folds[0].tested, folds[0].temperature)
    else:
        # Every validation clip is judged by a model that has not learned from its speaker.
        chances, truth = (np.concatenate(arrays) for arrays in zip(*raw, strict=True))
        found = temperature(chances, truth, folds[0].judged.classes_)
        final = Calibrated(learn(estimator, data.X, labels, speakers, monitor.within("all")), found)
    predictions = pd.concat(parts, ignore_index=True)
    report = evaluation.report(predictions, classes, seed)
    sure = evaluation.selective(predictions[predictions.part == "test"], unsure)
    extra = {"training": {"uar": float(np.mean(heard))}, "sure": sure, "temperature": final.temperature}
    return Trained(folds, final, predictions, report | extra)


def learn(estimator: Any, X: Mapping[str, Any], labels: Any, speakers: Any, monitor: Monitor = SILENT) -> Any:
    """Fit a copy of an estimator.

    Raises
    ------
    PipelineError
        Where a setting that conf/architecture gives it is out of range or names what is not there.
    """
    try:
        return clone(estimator).fit(X, labels, speakers, monitor)
    except ValueError as error:
        name = type(estimator).__name__
        raise PipelineError(
            f"{name} cannot learn with these settings of conf/architecture: {error}"
        ) from error


def predict(estimator: Any, data: Data, fold: int, part: str) -> pd.DataFrame:
    """Return the predictions table of a part of a fold (see `pipeline.evaluation`)."""
    chosen = data.part(fold, part)
    chances = estimator.predict_proba(rows(data.X, chosen))
    clips = data.clips.loc[chosen, ["id", "sha256", "corpus", "speaker", "sex", "label"]].reset_index(
        drop=True
    )
    clips.insert(0, "fold", fold)
    clips.insert(1, "part", part)
    clips["predicted"] = estimator.classes_[chances.argmax(axis=1)]
    return clips.join(pd.DataFrame(chances, columns=[f"p_{label}" for label in estimator.classes_]))


def curves(estimator: Any) -> dict[str, list[float]]:
    """Return the loss of each epoch, by node where the estimator is a tree; of those that tell it."""
    told = estimator.estimators_ if isinstance(estimator, Hierarchical) else {"loss": estimator}
    return {name: inner.history_["loss"] for name, inner in told.items() if hasattr(inner, "history_")}


def draw(trained: Trained, cfg: Config) -> dict[str, Figure]:
    """Draw what a person would rather look at than read."""
    classes = Node.read(cfg.taxonomy.tree).classes
    chance, note = 1 / len(classes), figures.caveat(cfg.corpora.name, cfg.protocol.shares_speakers)
    test = trained.predictions[trained.predictions.part == "test"]
    by_fold = [curves(fold.judged) for fold in trained.folds]
    losses = {name: [fold[name] for fold in by_fold] for name in by_fold[0]}
    return {
        "confusion": figures.confusion(evaluation.confusion(test, classes), "Test clips", note),
        "speakers": figures.speakers(evaluation.speakers(test), chance, "Test speakers", note),
        "corpora": figures.groups({"test": trained.report}, "corpus", chance, "Test clips by corpus", note),
        "reliability": figures.reliability(evaluation.calibration(test), "Test clips", note),
    } | ({"losses": figures.losses(losses, "Training loss", note)} if losses else {})


def log_nodes(trained: Fold, settings: Instance, data: Data, fold: int) -> None:
    """Log each decision of the tree as a nested run: its settings, its loss, how often it is right.

    A learned tree may differ between the two models of a fold; then a decision has the scores of one part.
    """
    nodes: Mapping[str, Instance] = settings.get("nodes") or {}
    models = {"validation": trained.judged, "test": trained.tested}
    for name in dict.fromkeys(name for model in models.values() for name in model.estimators_):
        with tracking.nested(f"{name}, fold {fold}", {"node": name, "fold": str(fold)}):
            tracking.log_params(nodes.get(name, settings["estimator"]))
            for part, model in models.items():
                if name in model.estimators_:
                    log_decision(model, name, data, fold, part)


def log_decision(model: Hierarchical, name: str, data: Data, fold: int, part: str) -> None:
    """Log one decision's scores on a part of a fold; its loss, and what was chosen for it, once."""
    node = next(node for node in Node.read(model.tree_).decisions if node.name == name)
    inner = model.estimators_[name]
    if part == "validation":
        tracking.log_curves(getattr(inner, "history_", {}))
        if isinstance(inner, Best):
            tracking.log_params({"chosen": inner.chosen_})
            tracking.log_metrics({f"candidate.{key}.uar": value for key, value in inner.scores_.items()})
    branch = {label: child.name for child in node.children for label in child.classes}
    chosen = data.part(fold, part)
    chosen = chosen[data.clips.label.iloc[chosen].isin(node.classes)]
    truth = data.clips.label.iloc[chosen].map(branch)
    scores = evaluation.scores(truth, inner.predict(rows(data.X, chosen)))
    tracking.log_metrics({f"{part}.{key}": value for key, value in scores.items()})


def write(trained: Trained, drawn: Mapping[str, Figure], folder: Path) -> None:
    """Write what DVC keeps of a training."""
    trained.predictions.to_parquet(folder / "predictions.parquet", index=False)
    (folder / "metrics.json").write_text(json.dumps(trained.report, indent=2))
    (folder / "figures").mkdir()
    for name, figure in drawn.items():
        figures.save(figure, folder / "figures" / f"{name}.png")


def record(trained: Trained, drawn: Mapping[str, Figure], data: Data, cfg: Config, digest: str) -> None:
    """Tell MLflow what came out; the parameters it knows already."""
    name = f"{cfg.corpora.name}-{cfg.taxonomy.name}-{cfg.protocol.name}"
    for part in ("training", "validation", "test"):
        members = data.splits.id[data.splits.part == part]
        used = data.clips[data.clips.id.isin(members)][["id", "label", "speaker", "sha256"]]
        tracking.log_dataset(used, f"{name}-{part}", digest, part)  # MLflow keeps one of a name and digest
    tracking.log_metrics(evaluation.flat(trained.report))
    for number, fold in enumerate(trained.folds):
        if isinstance(fold.judged, Hierarchical):
            log_nodes(fold, cfg.architecture, data, number)
        else:
            suffix = f".fold_{number}" if len(trained.folds) > 1 else ""
            history = getattr(fold.judged, "history_", {})
            tracking.log_curves({f"{key}{suffix}": values for key, values in history.items()})
    tracking.log_figures(drawn)


def main(cfg: Config) -> None:
    """Read build/split and build/features, write build/train/<architecture> and an MLflow run."""
    started = time.perf_counter()
    name = HydraConfig.get().runtime.choices["architecture"]
    tracking.connect()
    wanted = views(cfg.features)
    estimator = make(cfg.architecture, wanted)
    data = load(cfg.build, wanted, estimator.views)
    digest = json.loads((cfg.build / "split" / "summary.json").read_text())["digest"]
    choices = {
        "taxonomy": cfg.taxonomy.name,
        "protocol": cfg.protocol.name,
        "trained_on": cfg.corpora.name,
        "features": cfg.features.name,
        "augmentation": cfg.augmentation.name,
    }
    facts = choices | {
        "architecture": name,
        "kind": "hierarchical" if estimator.hierarchical else "flat",
        "view": "+".join(estimator.views),
        "corpora": "+".join(sorted(data.learned(cfg.protocol.refit).corpus.unique())),
        "shares_speakers": cfg.protocol.shares_speakers,
        "splits": digest,
        "commit": tracking.commit(),
    }
    tags = {key: str(value) for key, value in facts.items()}
    # Not the commit: a change elsewhere is no reason to begin anew.
    parts = ("taxonomy", "protocol", "augmentation", "features", "architecture", "seed")
    decisive = cfg.model_dump(include=set(parts)) | {"splits": digest}
    with (
        Progress.of(cfg.build / "checkpoints", **decisive) as progress,
        output(cfg.build / "train" / name) as folder,
        tracking.run(cfg.experiment, name, tags) as run_id,
    ):
        tracking.log_params({"architecture": {"name": name, **cfg.architecture}, "seed": cfg.seed} | choices)
        trained = fit(
            estimator,
            data,
            Node.read(cfg.taxonomy.tree).classes,
            cfg.seed,
            progress,
            cfg.protocol.refit,
            cfg.unsure,
        )
        drawn = draw(trained, cfg)
        write(trained, drawn, folder)
        record(trained, drawn, data, cfg, digest)
        tracking.log_file(folder / "predictions.parquet")
        detector = Detector(trained.estimator, wanted, cfg.taxonomy.tree, cfg.corpora.name, cfg.unsure)
        detector.warm_up()
        address = tracking.log_detector(detector)
        seconds = round(time.perf_counter() - started, 1)
        facts |= {"run_id": run_id, "experiment": cfg.experiment, "detector": address, "seconds": seconds}
        (folder / "run.json").write_text(json.dumps(facts, indent=2))
    test = trained.report["test"]
    log.info("%s: test UAR %.3f, %d clips of %d speakers", name, test["uar"], test["clips"], test["speakers"])


app = stage(main)

if __name__ == "__main__":
    app()
