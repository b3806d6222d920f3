"""Learning: one architecture fitted on each fold, and its answers on what the fold held out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from tqdm import tqdm

from pipeline import evaluation
from pipeline.architectures import SILENT, Monitor, rows
from pipeline.architectures.calibrated import Calibrated, temperature
from pipeline.stage import PipelineError


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
