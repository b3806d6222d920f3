"""Clips divided by speaker, for what an architecture chooses or calibrates while it learns."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

Rows = NDArray[np.intp]


def parts(labels: NDArray[Any], speakers: NDArray[Any] | None, folds: int) -> list[tuple[Rows, Rows]]:
    """Divide clips into parts that share no speaker, labels as even as can be.

    Parameters
    ----------
    labels, speakers : array of str, shape (n_clips,)
        Without speakers, or with one alone, every clip counts as a speaker of its own.
    folds : int
        At most; fewer where there are fewer speakers.

    Returns
    -------
    list of (inside, outside)
        Rows to learn from and rows held out; only parts in which every label is on both sides.

    Raises
    ------
    ValueError
        Where there is no such part.
    """
    if speakers is None or len(np.unique(speakers)) < 2:
        speakers = np.arange(len(labels))
    every, counts = np.unique(labels, return_counts=True)
    folds = min(folds, len(np.unique(speakers)), counts.max())
    divided = StratifiedGroupKFold(folds).split(labels, labels, speakers) if folds > 1 else ()
    found = [
        (inside, outside)
        for inside, outside in divided
        if len(np.unique(labels[inside])) == len(np.unique(labels[outside])) == len(every)
    ]
    if not found:
        raise ValueError(
            f"{len(labels)} clips of {len(np.unique(speakers))} speakers cannot be divided in {folds} parts "
            f"that all hold the {len(every)} labels: give more clips, or fewer folds"
        )
    return found
