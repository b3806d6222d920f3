import numpy as np
import pytest

from pipeline.architectures.calibrated import Calibrated, temperature, tempered
from pipeline.architectures.mlp import MLP

CLASSES = np.array(["anger", "happy", "sad"])


def drawn(n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are true, and labels that they came true for."""
    rng = np.random.default_rng(0)
    chances = rng.dirichlet(np.ones(3), n)
    return chances, CLASSES[(chances.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)]


@pytest.mark.parametrize("wrong", [0.3, 1.0, 2.5])
def test_it_undoes_a_wrong_temperature(wrong: float):
    chances, truth = drawn()
    found = temperature(tempered(chances, wrong), truth, CLASSES)
    assert found == pytest.approx(1 / wrong, rel=0.05)
    assert np.abs(tempered(tempered(chances, wrong), found) - chances).mean() < 0.02


def test_probabilities_sum_to_1_and_no_answer_changes():
    chances, _ = drawn(500)
    for t in (0.05, 1.0, 20.0):
        changed = tempered(chances, t)
        np.testing.assert_allclose(changed.sum(axis=1), 1)
        assert (changed.argmax(axis=1) == chances.argmax(axis=1)).all()
    np.testing.assert_allclose(tempered(chances, 1.0), chances, atol=1e-12)


def test_certainty_that_fails_is_softened_and_stays_finite():
    chances = np.tile([1.0, 0.0, 0.0], (9, 1))
    truth = np.repeat(CLASSES, 3)
    found = temperature(chances, truth, CLASSES)
    assert found > 10
    assert np.isfinite(tempered(chances, found)).all()


def test_it_answers_as_its_architecture_does():
    rng = np.random.default_rng(0)
    X, y = {"statistics": rng.normal(size=(60, 5))}, np.repeat(CLASSES, 20)
    inner = MLP(units=4, max_iter=20, random_state=0).fit(X, y)
    soft = Calibrated(inner, 3.0)
    assert soft.views == inner.views
    assert (soft.classes_ == inner.classes_).all()
    assert (soft.predict(X) == inner.predict(X)).all()
    assert soft.predict_proba(X).max() < inner.predict_proba(X).max()
