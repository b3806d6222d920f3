"""How good the answers are: scores, their uncertainty over speakers, and comparisons of two models.

A predictions table has a row per clip, fold and part: ``fold, part ("validation" | "test"), id, sha256,
corpus, speaker, sex, label, predicted`` and a probability ``p_<class>`` per class. A clip is tested at most
once over the folds. Intervals and tests are over speakers, see `pipeline.bootstrap`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from pipeline import bootstrap
from pipeline.taxonomy import Node

SCORES = ("uar", "accuracy", "macro_f1")
GROUPS = ("corpus", "sex", "fold")  # by which test clips are scored beside the whole
ECE_BINS = 15


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


def calibration(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return how often answers of like confidence are right: what a reliability diagram shows.

    Parameters
    ----------
    predictions : DataFrame
        Of one part (see the module).

    Returns
    -------
    DataFrame
        A row for each of 15 bins of equal width that holds a clip: its bounds ``low`` and ``high`` (in it),
        how many ``clips``, their mean ``confidence`` (the probability of the answer) and ``accuracy``.
    """
    columns = [name for name in predictions if str(name).startswith("p_")]
    chosen = pd.Index(columns).get_indexer(pd.Index("p_" + predictions["predicted"].astype(str)))
    confidence = predictions[columns].to_numpy(dtype=float)[np.arange(len(predictions)), chosen]
    right = (predictions["label"] == predictions["predicted"]).to_numpy(dtype=float)
    number = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    bins = pd.DataFrame({"bin": number, "confidence": confidence, "accuracy": right}).groupby("bin")
    table = bins.mean().assign(clips=bins.size())
    table["low"], table["high"] = table.index / ECE_BINS, (table.index + 1) / ECE_BINS
    return table[["low", "high", "clips", "confidence", "accuracy"]].reset_index(drop=True)


def calibration_error(predictions: pd.DataFrame) -> float:
    """Return the expected calibration error, in 0..1.

    The gap between confidence (the probability of the predicted class) and accuracy, in the bins of
    `calibration`, weighted by their clips: Guo et al. 2017, "On calibration of modern neural networks",
    eq. 3.
    """
    bins = calibration(predictions)
    return float(np.average((bins["accuracy"] - bins["confidence"]).abs(), weights=bins["clips"]))


def selective(predictions: pd.DataFrame, threshold: float) -> dict[str, Any]:
    """Score a model that may say that it is unsure, by the answers of which it is sure.

    Parameters
    ----------
    predictions : DataFrame
        Of one part (see the module).
    threshold : float
        The model is sure where its highest probability is at least this.

    Returns
    -------
    dict
        ``threshold``; ``coverage``, the part of the clips that gets a sure answer; their ``clips``; ``uar``,
        ``accuracy`` and ``macro_f1`` of these answers, None where there is none. El-Yaniv & Wiener 2010, "On
        the foundations of noise-free selective classification".
    """
    top = predictions[[name for name in predictions if str(name).startswith("p_")]].max(axis=1)
    sure = predictions[top >= threshold]
    told = scores(sure["label"], sure["predicted"]) if len(sure) else dict.fromkeys(SCORES)
    return {"threshold": threshold, "coverage": len(sure) / len(predictions), "clips": len(sure), **told}


def hierarchical(truth: ArrayLike, predicted: ArrayLike, tree: Node) -> dict[str, float]:
    """Return precision, recall and F1 by which an error near the truth, in a tree, counts less.

    ``h_precision`` is, over all clips, the nodes that the paths of truth and answer share, of those on the
    answers' paths; ``h_recall`` is the same of those on the truths' paths; the root counts on neither.
    Kiritchenko et al. 2005, "Functional annotation of genes using hierarchical text categorization";
    recommended by Silla & Freitas 2011, doi:10.1007/s10618-010-0175-9, eq. 1.

    Parameters
    ----------
    truth, predicted : array of str
    tree : Node
        Of these classes; it need not be the one by which the answers were found.
    """
    path = {label: {node.name for node in tree.path(label)} for label in tree.classes}
    pairs = [(path[a], path[b]) for a, b in zip(np.asarray(truth), np.asarray(predicted), strict=True)]
    shared, true, answered = (
        sum(len(nodes) for nodes in sets)
        for sets in ([a & b for a, b in pairs], [a for a, _ in pairs], [b for _, b in pairs])
    )
    return {
        "h_precision": shared / answered,
        "h_recall": shared / true,
        "h_f1": 2 * shared / (answered + true),
    }


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
    for by in GROUPS:
        whole["test"][by] = {
            str(name): _group(rows, classes, seed) for name, rows in parts["test"].groupby(by, sort=True)
        }
    return whole


def flat(report: Mapping[str, Any]) -> dict[str, float]:
    """Return a report as MLflow metrics: ``{"test.corpus.ravdess.uar": 0.43, …}``, without what is None."""
    return {name: float(value) for name, value in pd.json_normalize(dict(report)).iloc[0].dropna().items()}


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


def confusions(predictions: pd.DataFrame, classes: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the confusion matrix of the test clips of each group: ``{"corpus ravdess": …, "fold 0": …}``."""
    test = predictions[predictions["part"] == "test"]
    return {
        f"{by} {name}": confusion(rows, classes)
        for by in GROUPS
        for name, rows in test.groupby(by, sort=True)
    }


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
        over speakers), ``p`` (of a paired test over speakers, `pipeline.bootstrap.swapped`), ``clips`` and
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
    pair = (
        bootstrap.counts(both, classes),
        bootstrap.counts(both.assign(predicted=both["predicted_b"]), classes),
    )
    uar_a, uar_b = (float(bootstrap.measures(counted.sum(axis=0))["uar"]) for counted in pair)
    low = high = p = None
    if (speakers := len(pair[0])) > 1:
        weights = bootstrap.draws(speakers, seed)
        uars = [bootstrap.measures(bootstrap.resample(counted, weights))["uar"] for counted in pair]
        low, high = np.percentile(uars[0] - uars[1], bootstrap.INTERVAL).tolist()
        p = bootstrap.swapped(*pair, seed)
    return {
        "uar_a": uar_a,
        "uar_b": uar_b,
        "difference": uar_a - uar_b,
        "low": low,
        "high": high,
        "p": p,
        "clips": len(both),
        "speakers": speakers,
    }


def _group(clips: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any]:
    """Score one group of clips, see `report`."""
    counted = bootstrap.counts(clips, classes)
    return bootstrap.scored(counted, seed) | {
        "ece": calibration_error(clips),
        "clips": len(clips),
        "speakers": len(counted),
        "classes": int(clips["label"].nunique()),
    }
