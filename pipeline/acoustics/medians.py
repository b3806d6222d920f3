"""Sliding medians of many rows at once, compiled."""

import numpy as np
from numba import njit
from numpy.typing import NDArray


def medians(values: NDArray[np.float32], width: int, axis: int) -> NDArray[np.float32]:
    """Return the median of the `width` values, an odd number, around each one along an axis.

    The values are mirrored at the ends. ``scipy.ndimage.median_filter`` means the same with its mode
    "reflect"; of rows much shorter than the window it tells now this, now that (seen with scipy 1.17).
    """
    along = np.ascontiguousarray(values if axis == 0 else values.T)
    padded = np.pad(along, ((width // 2, width // 2), (0, 0)), mode="symmetric")
    found = _slide(padded, width)
    return np.asarray(found if axis == 0 else found.T)


@njit(cache=True)
def _slide(values: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Return the medians of each `width` values of a column that follow each other.

    The window of each column is kept sorted: one value leaves it and one comes in. All columns do so in
    step, without branches, so that the compiler lets the processor handle several at a time; a heap a
    column, as bottleneck has it, takes four times as long.
    """
    count, columns = values.shape
    found = np.empty((count - width + 1, columns), dtype=np.float32)
    window = np.empty((width, columns), dtype=np.float32)
    for column in range(columns):
        window[:, column] = np.sort(values[:width, column])
    found[0] = window[width // 2]
    below = np.empty(columns, dtype=np.float32)
    for step in range(1, len(found)):
        gone, new = values[step - 1], values[step + width - 1]
        below[:] = -np.inf
        for rank in range(width - 1):
            for column in range(columns):
                here, above = window[rank, column], window[rank + 1, column]
                kept = here if here < gone[column] else above
                window[rank, column] = max(below[column], min(new[column], kept))
                below[column] = kept
        for column in range(columns):
            window[width - 1, column] = max(below[column], new[column])
        found[step] = window[width // 2]
    return found
