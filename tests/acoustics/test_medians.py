import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.acoustics.medians import medians

RNG = np.random.default_rng(6)
VALUES = {
    "noise": RNG.random((100, 40), dtype=np.float32),
    "few values": RNG.integers(0, 3, (64, 33)).astype(np.float32),
    "shorter than the window": RNG.random((3, 5), dtype=np.float32),
    "one": np.ones((1, 1), np.float32),
    "transposed": RNG.random((50, 60), dtype=np.float32).T,
    "falling": -np.arange(80, dtype=np.float32)[:, None] * np.ones(4, np.float32),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=list(VALUES))
@pytest.mark.parametrize("width", [1, 3, 31])
@pytest.mark.parametrize("axis", [0, 1])
def test_every_median_is_that_of_its_window(values: np.ndarray, width: int, axis: int):
    half = width // 2
    mirrored = np.pad(values, [(half, half) if i == axis else (0, 0) for i in range(2)], mode="symmetric")
    expected = np.median(sliding_window_view(mirrored, width, axis=axis), axis=-1)
    np.testing.assert_array_equal(medians(values, width, axis), expected)
