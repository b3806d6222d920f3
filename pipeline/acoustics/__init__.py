"""Views of a clip: what the architectures see of a sound. Arrays only."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import Samples


class View(Protocol):
    """A representation of a clip, computed from the clip alone."""

    @property
    def names(self) -> tuple[str, ...]:
        """What stands along the last axis."""
        ...

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return the view of one mono 16 kHz sound, shape (…, len(names))."""
        ...

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> Any:
        """Put the views of several clips together, the way that estimators take them."""
        ...
