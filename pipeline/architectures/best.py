"""The best of several architectures, found by cross-validation over speakers."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.metrics import recall_score
from sklearn.utils.validation import check_is_fitted
from tqdm import tqdm

from pipeline.architectures import SILENT, Architecture, Monitor, rows
from pipeline.architectures.speakers import parts


class Best(Architecture):
    """Tries candidates on held-out training speakers, and learns with the one that does best.

    At a node of a tree this chooses the architecture and the view for that decision alone.

    Parameters
    ----------
    candidates : mapping of str to estimator
        By any names; the first of equals is taken.
    folds : int
        Parts of the training speakers; fewer where there are fewer speakers.

    Attributes
    ----------
    classes_ : ndarray of str
    scores_ : dict of str to float
        UAR of each candidate on the speakers held out, mean over the parts.
    chosen_ : str
    estimator_ : fitted estimator
        The chosen candidate, fitted on all clips.
    """

    def __init__(self, candidates: Mapping[str, Any], folds: int = 4) -> None:
        self.candidates = candidates
        self.folds = folds

    @property
    def views(self) -> tuple[str, ...]:
        """The views of all candidates; once fitted, those of the chosen one."""
        if hasattr(self, "estimator_"):
            return tuple(self.estimator_.views)
        return tuple(sorted({view for candidate in self.candidates.values() for view in candidate.views}))

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Choose and learn: see `Architecture.fit`.

        Raises
        ------
        ValueError
            Where there is no candidate, or too few clips to hold any out.
        """
        if not self.candidates:
            raise ValueError("candidates names none: give at least one architecture")
        labels = np.asarray(y)
        speakers = None if groups is None else np.asarray(groups)
        self.scores_ = {}
        if len(self.candidates) > 1:
            told = {name: [] for name in self.candidates}  # type: dict[str, list[float]]
            for inside, outside in parts(labels, speakers, self.folds):
                for name, candidate in tqdm(self.candidates.items(), desc="candidates", leave=False):
                    known = None if speakers is None else speakers[inside]
                    tried = clone(candidate).fit(rows(X, inside), labels[inside], known)
                    answers = tried.predict(rows(X, outside))
                    told[name].append(
                        recall_score(labels[outside], answers, average="macro", zero_division=0)
                    )
            self.scores_ = {name: float(np.mean(found)) for name, found in told.items()}
        self.chosen_ = max(self.candidates, key=lambda name: self.scores_.get(name, 0.0))
        self.estimator_ = clone(self.candidates[self.chosen_]).fit(X, labels, speakers, monitor)
        self.classes_ = self.estimator_.classes_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        return np.asarray(self.estimator_.predict_proba(X))
