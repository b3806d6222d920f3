"""What is counted and drawn by speaker: confusion matrices, resamples of speakers, and models swapped.

Clips of one speaker are alike, so every interval here comes from resampling speakers, not clips (the cluster
bootstrap: Davison & Hinkley 1997, section 3.8); intervals over clips come out far too narrow.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import permutation_test

RESAMPLES = 2000
SWAPS = 9999
INTERVAL = (2.5, 97.5)  # percentiles: 95 %
Floats = NDArray[np.float64]


def counts(clips: pd.DataFrame, classes: Sequence[str], weights: ArrayLike = 1.0) -> Floats:
    """Return a confusion matrix per speaker: speakers × truth × predicted, in clips.

    Parameters
    ----------
    clips : DataFrame
        With ``speaker, label, predicted``; speakers come out sorted by name.
    classes : sequence of str
    weights : array of float, shape (n_clips,), optional
        How much of a clip each row is.

    Raises
    ------
    ValueError
        Where a label or an answer is not among the classes.
    """
    known = pd.Index(classes)
    truth, predicted = (known.get_indexer(pd.Index(clips[column])) for column in ("label", "predicted"))
    if (strange := (truth < 0) | (predicted < 0)).any():
        row = clips[strange].iloc[0]
        raise ValueError(f"{row['label']!r} taken for {row['predicted']!r}: the classes are {list(classes)}")
    speaker, names = pd.factorize(clips["speaker"], sort=True)
    counted = np.zeros((len(names), len(known), len(known)))
    np.add.at(counted, (speaker, truth, predicted), weights)
    return counted


def draws(speakers: int, seed: int) -> Floats:
    """Return how often each speaker is in each resample: resamples × speakers."""
    drawn = np.random.default_rng(seed).multinomial(speakers, np.full(speakers, 1 / speakers), size=RESAMPLES)
    return drawn.astype(float)


def resample(counted: Floats, weights: Floats) -> Floats:
    """Return the confusion matrix of each resample: resamples × truth × predicted."""
    return np.tensordot(weights, counted, axes=1)


def measures(counted: Floats) -> dict[str, Floats]:
    """Return UAR, accuracy and macro F1 of confusion matrices (… × truth × predicted), as arrays (…).

    UAR and macro F1 are means over the classes present in the truth.
    """
    right = np.diagonal(counted, axis1=-2, axis2=-1)
    true, answered = counted.sum(axis=-1), counted.sum(axis=-2)
    present = true > 0
    recall = np.divide(right, true, out=np.zeros_like(true), where=present)
    f1 = np.divide(2 * right, true + answered, out=np.zeros_like(true), where=present)
    return {
        "uar": recall.sum(axis=-1) / present.sum(axis=-1),
        "accuracy": right.sum(axis=-1) / true.sum(axis=-1),
        "macro_f1": f1.sum(axis=-1) / present.sum(axis=-1),
    }


def scored(counted: Floats, seed: int) -> dict[str, Any]:
    """Return each of `measures` with ``_low`` and ``_high``, None where there is one speaker only."""
    resampled = measures(resample(counted, draws(len(counted), seed))) if len(counted) > 1 else None
    result: dict[str, Any] = {}
    for name, value in measures(counted.sum(axis=0)).items():
        bounds = np.percentile(resampled[name], INTERVAL).tolist() if resampled else (None, None)
        result |= {name: float(value), f"{name}_low": bounds[0], f"{name}_high": bounds[1]}
    return result


def apart(a: Floats, b: Floats, seed: int) -> dict[str, Any]:
    """Compare the UAR of two groups of different speakers.

    Parameters
    ----------
    a, b : ndarray, shape (speakers, classes, classes)
        The confusion matrices of each group's speakers (see `counts`).
    seed : int

    Returns
    -------
    dict
        ``difference`` (a − b), ``low`` and ``high`` (95 %, each group's speakers drawn anew by itself; None
        where either has one speaker only).
    """
    uar_a, uar_b = (float(measures(counted.sum(axis=0))["uar"]) for counted in (a, b))
    low = high = None
    if min(len(a), len(b)) > 1:
        # Two seeds: groups of one size would else be drawn alike.
        uars = [
            measures(resample(counted, draws(len(counted), seed + i)))["uar"]
            for i, counted in enumerate((a, b))
        ]
        low, high = np.percentile(uars[0] - uars[1], INTERVAL).tolist()
    return {"difference": uar_a - uar_b, "low": low, "high": high}


def swapped(a: Floats, b: Floats, seed: int) -> float:
    """Return how rarely two models differ as they do, were it chance which of them gave which answers.

    A paired permutation test (Edgington & Onghena 2007, chapter 5): each speaker's answers change sides or
    stay, in every way there is up to 13 speakers and in 9,999 ways drawn at random beyond. Two-sided; few
    speakers cannot give a small value (two: 0.5 at least, five: 0.06).

    Parameters
    ----------
    a, b : ndarray, shape (speakers, classes, classes)
        The confusion matrices of each on the same clips (see `counts`).
    seed : int

    Returns
    -------
    float
        p, in 0..1.
    """
    true = a.sum(axis=(0, 2))
    # UAR is a sum over speakers: what each of them brings to it, under either model.
    shares = [
        np.divide(np.diagonal(model, axis1=1, axis2=2), true, out=np.zeros_like(model[:, 0]), where=true > 0)
        for model in (a, b)
    ]
    brought = [share.sum(axis=1) / np.count_nonzero(true) for share in shares]
    tested = permutation_test(
        brought,
        lambda x, y, axis: x.sum(axis=axis) - y.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=SWAPS,
        rng=np.random.default_rng(seed),
    )
    return float(tested.pvalue)
