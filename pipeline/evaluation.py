"""How good the answers are: scores, their uncertainty over speakers, and comparisons of two models.

A predictions table has a row per clip, fold and part: ``fold, part ("validation" | "test"), id, sha256,
corpus, speaker, sex, label, predicted`` and a probability ``p_<class>`` per class. A clip is tested at most
once over the folds. Clips of one speaker are alike, so every interval here comes from resampling speakers,
not clips (the cluster bootstrap: Davison & Hinkley 1997, section 3.8); intervals over clips come out far
too narrow.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

RESAMPLES = 2000
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
ECE_BINS = 15
Floats = NDArray[np.float64]


def scores(truth: ArrayLike, predicted: ArrayLike) -> dict[str, float]:
    """Return unweighted average recall (``uar``), ``accuracy`` and ``macro_f1``, each in 0..1.

    UAR and macro F1 are means over the classes present in `truth`.
    """
    present = np.unique(np.asarray(truth))
    over = {"labels": present, "average": "macro", "zero_division": 0}
    return {
        "uar": float(recall_score(truth, predicted, **over)),
        "accuracy": float(accuracy_score(truth, predicted)),
        "macro_f1": float(f1_score(truth, predicted, **over)),
    }


def calibration_error(predictions: pd.DataFrame) -> float:
    """Return the expected calibration error, in 0..1.

    The gap between confidence (the probability of the predicted class) and accuracy, in 15 bins of equal
    width, weighted by their clips: Guo et al. 2017, "On calibration of modern neural networks", eq. 3.
    """
    columns = [name for name in predictions if str(name).startswith("p_")]
    chosen = pd.Index(columns).get_indexer(pd.Index("p_" + predictions["predicted"].astype(str)))
    confidence = predictions[columns].to_numpy(dtype=float)[np.arange(len(predictions)), chosen]
    gap = (predictions["label"] == predictions["predicted"]).to_numpy(dtype=float) - confidence
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    return float(np.abs(np.bincount(bins, weights=gap, minlength=ECE_BINS)).sum() / len(predictions))


def report(predictions: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """Score a predictions table as a whole and in its groups.

    Parameters
    ----------
    predictions : DataFrame
        See the module.
    classes : sequence of str
        All classes that the model knows.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict
        ``{"validation": G, "test": {**G, "corpus": {name: G}, "sex": {name: G}, "fold": {name: G}}}``,
        ready for JSON. G holds ``uar``, ``accuracy`` and ``macro_f1``, each with ``_low`` and ``_high`` (95 %
        over speakers; None where there is one speaker only), ``ece``, and how many ``clips``, ``speakers``
        and ``classes`` (with a clip) it comes from.

    Raises
    ------
    ValueError
        Where a part has no clip or a label is not among the classes.
    """
    parts = {part: predictions[predictions["part"] == part] for part in ("validation", "test")}
    for part, rows in parts.items():
        if rows.empty:
            raise ValueError(f"the predictions hold no {part} clip: nothing to score")
    whole = {part: _group(rows, classes, seed) for part, rows in parts.items()}
    for by in ("corpus", "sex", "fold"):
        whole["test"][by] = {
            str(name): _group(rows, classes, seed) for name, rows in parts["test"].groupby(by, sort=True)
        }
    return whole


def flat(report: Mapping[str, Any]) -> dict[str, float]:
    """Return a report as MLflow metrics: ``{"test.corpus.ravdess.uar": 0.43, …}``, without what is None."""
    metrics: dict[str, float] = {}
    for name, value in report.items():
        if isinstance(value, Mapping):
            metrics |= {f"{name}.{inner}": number for inner, number in flat(value).items()}
        elif value is not None:
            metrics[name] = float(value)
    return metrics


def speakers(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return a row per test speaker: ``corpus, speaker, sex, clips, uar, accuracy``."""
    test = predictions[predictions["part"] == "test"]
    keys = ["corpus", "speaker", "sex"]
    rows = [
        dict(zip(keys, key, strict=True))
        | {"clips": len(clips)}
        | {
            name: value
            for name, value in scores(clips["label"], clips["predicted"]).items()
            if name != "macro_f1"
        }
        for key, clips in test.groupby(keys, sort=True)
    ]
    return pd.DataFrame(rows, columns=[*keys, "clips", "uar", "accuracy"])


def confusion(predictions: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return the test clips' confusion matrix in clips: truth down, answer across."""
    test = predictions[predictions["part"] == "test"]
    matrix = confusion_matrix(test["label"], test["predicted"], labels=list(classes))
    return pd.DataFrame(
        matrix, index=pd.Index(classes, name="truth"), columns=pd.Index(classes, name="predicted")
    )


def difference(a: pd.DataFrame, b: pd.DataFrame, seed: int) -> dict[str, Any]:
    """Compare two models on the clips that both were tested on.

    Parameters
    ----------
    a, b : DataFrame
        Predictions tables (see the module); clips are matched by content (``sha256``).
    seed : int
        Of the bootstrap, which draws the same speakers for both.

    Returns
    -------
    dict
        ``uar_a``, ``uar_b`` and their ``difference`` (a − b) on the common clips, ``low`` and ``high`` (95 %
        over speakers), ``p`` (the part of the resamples in which a is not better: one-sided), ``clips`` and
        ``speakers`` in common. With one speaker ``low``, ``high`` and ``p`` are None.

    Raises
    ------
    ValueError
        Where no clip is in common, or one clip has two rows or two truths.
    """
    left, right = (table[table["part"] == "test"] for table in (a, b))
    both = left.merge(
        right[["sha256", "label", "predicted"]], on="sha256", suffixes=("", "_b"), validate="one_to_one"
    )
    if both.empty:
        raise ValueError(
            f"the two models have no test clip in common ({len(left)} and {len(right)} clips): "
            "they cannot be compared"
        )
    if (other := both["label"] != both["label_b"]).any():
        raise ValueError(
            f"the truth of {other.sum()} common clips differs, e.g. {both.loc[other, 'id'].iloc[0]}"
        )
    classes = sorted(set(both["label"]) | set(both["predicted"]) | set(both["predicted_b"]))
    counts_a = _counts(both, classes)
    counts_b = _counts(both.assign(predicted=both["predicted_b"]), classes)
    uar_a, uar_b = (float(_measures(counts.sum(axis=0))["uar"]) for counts in (counts_a, counts_b))
    low = high = p = None
    if len(counts_a) > 1:
        weights = _draws(len(counts_a), seed)
        gap = _measures(_resample(counts_a, weights))["uar"] - _measures(_resample(counts_b, weights))["uar"]
        low, high = (float(bound) for bound in np.percentile(gap, INTERVAL))
        p = float(np.mean(gap < 1e-12))  # a tie may come out a rounding error above 0
    return {
        "uar_a": uar_a,
        "uar_b": uar_b,
        "difference": uar_a - uar_b,
        "low": low,
        "high": high,
        "p": p,
        "clips": len(both),
        "speakers": len(counts_a),
    }


def _group(clips: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """Score one group of clips, see `report`."""
    counts = _counts(clips, classes)
    resampled = _measures(_resample(counts, _draws(len(counts), seed))) if len(counts) > 1 else None
    result: dict[str, Any] = {}
    for name, value in scores(clips["label"], clips["predicted"]).items():
        bounds = np.percentile(resampled[name], INTERVAL).tolist() if resampled else (None, None)
        result |= {name: value, f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return result | {
        "ece": calibration_error(clips),
        "clips": len(clips),
        "speakers": len(counts),
        "classes": int(clips["label"].nunique()),
    }


def _counts(clips: pd.DataFrame, classes: Sequence[str]) -> Floats:
    """Return a confusion matrix per speaker: speakers × truth × predicted, in clips."""
    known = pd.Index(classes)
    truth, predicted = (known.get_indexer(pd.Index(clips[column])) for column in ("label", "predicted"))
    if (strange := (truth < 0) | (predicted < 0)).any():
        row = clips[strange].iloc[0]
        raise ValueError(f"{row['label']!r} taken for {row['predicted']!r}: the classes are {list(classes)}")
    speaker, names = pd.factorize(clips["speaker"], sort=True)
    counts = np.zeros((len(names), len(known), len(known)))
    np.add.at(counts, (speaker, truth, predicted), 1)
    return counts


def _draws(speakers: int, seed: int) -> Floats:
    """Return how often each speaker is in each resample: resamples × speakers."""
    draws = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=RESAMPLES)
    return draws.astype(float)


def _resample(counts: Floats, weights: Floats) -> Floats:
    """Return the confusion matrix of each resample: resamples × truth × predicted."""
    return np.tensordot(weights, counts, axes=1)


def _measures(counts: Floats) -> dict[str, Floats]:
    """Return what `scores` does, from confusion matrices (… × truth × predicted), as arrays (…)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    true, answered = counts.sum(axis=-1), counts.sum(axis=-2)
    present = true > 0
    recall = np.divide(right, true, out=np.zeros_like(true), where=present)
    f1 = np.divide(2 * right, true + answered, out=np.zeros_like(true), where=present)
    return {
        "uar": recall.sum(axis=-1) / present.sum(axis=-1),
        "accuracy": right.sum(axis=-1) / true.sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / present.sum(axis=-1),
    }
