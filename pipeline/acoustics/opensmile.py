"""openSMILE's feature sets: the field's reference, to compare our own views with."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.audio import RATE, Samples


@dataclass(frozen=True)
class OpenSmile:
    """Functionals of a set that openSMILE defines.

    Parameters
    ----------
    feature_set : str
        ``"eGeMAPSv02"`` (88 numbers) or ``"ComParE_2016"`` (6,373).
    rate : int
        Hz.

    Raises
    ------
    ValueError
        When first used, where opensmile is not installed or does not know the set.

    References
    ----------
    Eyben et al. 2010 (openSMILE, whose licence is for research only); Eyben et al. 2016 (eGeMAPS); Schuller
    et al. 2016 (ComParE).
    """

    feature_set: str = "eGeMAPSv02"
    rate: int = RATE

    @cached_property
    def _smile(self) -> Any:
        try:
            import opensmile  # noqa: PLC0415  # optional: nothing that ships stands on it
        except ImportError:
            raise ValueError(
                "the view OpenSmile needs opensmile (its licence is for research only): pip install opensmile"
            ) from None
        if self.feature_set not in opensmile.FeatureSet.__members__:
            raise ValueError(
                f"openSMILE has no set {self.feature_set!r}: {list(opensmile.FeatureSet.__members__)}"
            )
        return opensmile.Smile(
            opensmile.FeatureSet[self.feature_set], opensmile.FeatureLevel.Functionals, multiprocessing=False
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the program out: each process starts its own."""
        return {"feature_set": self.feature_set, "rate": self.rate}

    @property
    def names(self) -> tuple[str, ...]:
        """The numbers' names, as openSMILE has them."""
        return tuple(self._smile.feature_names)

    def __call__(self, sound: Samples) -> NDArray[np.float32]:
        """Return the numbers of one sound, shape (len(names),)."""
        return np.nan_to_num(np.asarray(self._smile(sound, self.rate), dtype=np.float32).ravel())

    def stack(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return a table, shape (len(clips), len(names))."""
        return np.stack(clips)
