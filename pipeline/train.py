"""Train: fit one architecture on each fold, score it on speakers it has not heard, log the detector."""

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from matplotlib.figure import Figure

from pipeline import evaluation, figures, store, table, tracking
from pipeline.architectures import rows
from pipeline.architectures.best import Best
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.config import Config, Instance
from pipeline.detector import Detector
from pipeline.features import views
from pipeline.learning import Data, Fold, Trained, fit
from pipeline.progress import Progress
from pipeline.stage import PipelineError, output, stage
from pipeline.taxonomy import Node

log = logging.getLogger("train")


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
