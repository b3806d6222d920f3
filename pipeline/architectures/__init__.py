"""Architectures: scikit-learn estimators over the views of a clip. Arrays only."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

Views = Mapping[str, Any]
"""View name → what its `stack` made of n clips: an array of n rows, or n arrays."""


class Monitor:
    """Whom an architecture tells how its learning goes, and who keeps what it needs to go on after a stop.

    This one does nothing; the stage `train` gives one that does.
    """

    def epoch(self, number: int, values: Mapping[str, float]) -> None:
        """Hear the loss, and what else was measured, after epoch `number`, counted from 0."""

    def save(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Keep the state of an unfinished learning."""

    def saved(self) -> dict[str, NDArray[Any]] | None:
        """Return the state that an earlier try at the same learning saved last, if any."""
        return None

    def within(self, name: str) -> "Monitor":
        """Return the monitor of one part (a node, a member) of what is learned."""
        return self


SILENT = Monitor()


class Architecture(ClassifierMixin, BaseEstimator):
    """What every architecture has: named views to read, `fit` with speakers, probabilities and answers.

    Attributes
    ----------
    classes_ : ndarray of str
        Sorted, after `fit`.
    """

    view: str | Sequence[str]
    hierarchical = False  # whether its answer is found on the way down a tree

    @property
    def views(self) -> tuple[str, ...]:
        """The views that it reads."""
        return (self.view,) if isinstance(self.view, str) else tuple(self.view)

    def fit(self, X: Any, y: ArrayLike, groups: ArrayLike | None = None, monitor: Monitor = SILENT) -> Self:
        """Learn from clips.

        Parameters
        ----------
        X : mapping of views, or what the one view that it reads holds
        y : array of str, shape (n_clips,)
        groups : array of str, shape (n_clips,), optional
            Whose voice each clip is. What is chosen or calibrated on held-out clips while learning is
            chosen on speakers held out; without it, every clip counts as a speaker of its own.
        monitor : Monitor

        Raises
        ------
        ValueError
            Where a parameter or the arrays do not fit.
        """
        raise NotImplementedError

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return class probabilities, shape (n_clips, n_classes), rows summing to 1."""
        raise NotImplementedError

    def predict(self, X: Any) -> NDArray[np.str_]:
        """Return the most probable class of each clip."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])


def select(X: Views | NDArray[Any], view: str | Sequence[str]) -> Any:
    """Return the view that an estimator reads, of several the numbers side by side; a plain array as it is.

    Raises
    ------
    ValueError
        Where the view is not among those at hand.
    """
    if not isinstance(X, Mapping):
        return X
    if not isinstance(view, str):
        return np.hstack([select(X, name) for name in view])
    if view not in X:
        raise ValueError(
            f"the view {view!r} is not among {sorted(X)}: name one of them, or add it to conf/features"
        )
    return X[view]


def rows(X: Any, indices: NDArray[np.intp]) -> Any:
    """Return the clips at `indices`, in the same form."""
    if isinstance(X, Mapping):
        return {name: rows(view, indices) for name, view in X.items()}
    if isinstance(X, Sequence):
        return [X[i] for i in indices]
    return X[indices]
