"""Architectures: scikit-learn estimators over the views of a clip. Arrays only."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Views = Mapping[str, Any]
"""View name → what its `stack` made of n clips: an array of n rows, or n arrays."""


def select(X: Views | NDArray[Any], view: str) -> Any:
    """Return the view that an estimator reads; a plain array is taken as it is.

    Raises
    ------
    ValueError
        Where the view is not among those at hand.
    """
    if not isinstance(X, Mapping):
        return X
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
