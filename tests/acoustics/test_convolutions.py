import numpy as np
import pytest

from pipeline.acoustics.convolutions import Convolutions
from pipeline.acoustics.functionals import Functionals
from pipeline.audio import RATE

VIEW = Convolutions(kernels=20)


def test_names_are_many_and_all_different():
    assert len(VIEW.names) == len(set(VIEW.names)) == 2 * 5 * 2 * 20


@pytest.mark.parametrize("length", [1, 399, RATE, 31 * RATE])
def test_whatever_comes_has_finite_numbers(length: int):
    noise = np.random.default_rng(0).normal(0, 0.1, length)
    for sound in (noise, np.zeros(length)):
        values = VIEW(sound.astype(np.float32))
        assert values.shape == (400,)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_the_order_in_which_a_voice_moves_is_seen(voice):
    low, high = voice(150.0, 1), voice(300.0, 2)
    rising, falling = np.concatenate([low, high]), np.concatenate([high, low])
    assert np.abs(VIEW(rising) - VIEW(falling)).max() > 0.05
    np.testing.assert_array_equal(VIEW(rising), VIEW(rising))


def test_another_view_of_the_same_sound_changes_nothing(voice):
    first, second = voice(150.0, 1), voice(300.0, 2)
    alone = VIEW(first)
    Functionals()(second)
    Functionals()(first)
    np.testing.assert_array_equal(VIEW(first), alone)
