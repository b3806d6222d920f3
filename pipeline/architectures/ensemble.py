"""Several architectures that answer together."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from pipeline.architectures import SILENT, Architecture, Monitor

FLOOR = 1e-6  # no member may rule a class out alone: the logarithm of its 0 would


class Ensemble(Architecture):
    """The weighted geometric mean of its members' probabilities: their averaged logarithms.

    A logarithmic opinion pool (Genest & Zidek 1986). Members that read different views, or learn in
    different ways, err on different clips; what most of them hold improbable stays improbable.

    Parameters
    ----------
    members : list of estimator
        One or more, each over its own view.
    weights : list of float, optional
        How much each counts, 0 or more; only their proportions matter. Without them all count alike.

    Attributes
    ----------
    classes_ : ndarray of str
    members_ : list of fitted estimator
        In the order of `members`.
    """

    def __init__(self, members: Sequence[Any], weights: Sequence[float] | None = None) -> None:
        self.members = members
        self.weights = weights

    @property
    def views(self) -> tuple[str, ...]:
        """The views that its members read."""
        return tuple(sorted({view for member in self.members for view in member.views}))

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Let every member learn from all the clips: see `Architecture.fit`.

        Raises
        ------
        ValueError
            Where there is no member, or the weights do not fit the members.
        """
        if not self.members:
            raise ValueError("an ensemble needs at least one member")
        self._shares()
        self.members_ = [
            clone(member).fit(X, y, groups, monitor.within(f"member_{number}"))
            for number, member in enumerate(self.members)
        ]
        self.classes_ = self.members_[0].classes_
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        check_is_fitted(self)
        told = [np.log(np.maximum(member.predict_proba(X), FLOOR)) for member in self.members_]
        pooled = np.tensordot(self._shares(), np.asarray(told, dtype=np.float64), axes=1)
        chances = np.exp(pooled - pooled.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def _shares(self) -> NDArray[np.float64]:
        """Return the members' weights, summing to 1."""
        if self.weights is None:
            return np.full(len(self.members), 1 / len(self.members))
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.shape != (len(self.members),):
            raise ValueError(f"weights has {weights.size} numbers for {len(self.members)} members")
        if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
            raise ValueError(f"weights must be 0 or more, and one of them above 0, not {list(self.weights)}")
        return np.asarray(weights / weights.sum())
