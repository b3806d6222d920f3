import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.architectures.scaling import scaled

RNG = np.random.default_rng(0)
POWERS = np.exp(RNG.normal(0, 3, (600, 4)))  # as the powers of mel bands: over many decades
LABELS = np.where(POWERS[:, 0] > 1, "loud", "soft")


def seen(scale: str, table: np.ndarray) -> np.ndarray:
    """Return what the classifier is given for `table`."""
    return np.asarray(
        scaled(LogisticRegression(), scale).fit(POWERS[:400], LABELS[:400])[:-1].transform(table)
    )


def test_none_is_as_it_was():
    assert np.array_equal(seen("none", POWERS), POWERS)


def test_standard_is_zero_mean_and_unit_variance_of_the_training_clips():
    assert np.allclose(seen("standard", POWERS[:400]).mean(axis=0), 0)
    assert np.allclose(seen("standard", POWERS[:400]).std(axis=0), 1)


def test_quantile_is_the_normal_score_of_the_place_among_the_training_clips():
    made = seen("quantile", POWERS)
    assert np.abs(made[:400].mean(axis=0)).max() < 0.05
    assert np.abs(made[:400].std(axis=0) - 1).max() < 0.1
    for number in range(4):
        order = np.argsort(POWERS[:, number])
        assert (np.diff(made[order, number]) >= 0).all()
    median = np.median(POWERS[:400], axis=0, keepdims=True)
    assert np.abs(seen("quantile", median)).max() < 0.02


def test_quantile_does_not_care_for_a_logarithm_and_bounds_the_strange():
    logarithms = scaled(LogisticRegression(), "quantile").fit(np.log(POWERS[:400]), LABELS[:400])
    apart = np.abs(logarithms[0].transform(np.log(POWERS)) - seen("quantile", POWERS))
    assert np.quantile(apart, 0.99) < 0.2  # between two kept points a straight line is not the logarithm's
    assert np.abs(seen("quantile", np.full((1, 4), 1e30))).max() < 6


def test_quantile_repeats_without_a_seed():
    assert np.array_equal(seen("quantile", POWERS), seen("quantile", POWERS))


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="scale must be none, standard or quantile, not 'robust'"):
        scaled(LogisticRegression(), "robust")
