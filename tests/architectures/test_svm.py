from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pipeline.architectures import rows
from pipeline.architectures.hierarchical import Hierarchical
from pipeline.architectures.svm import SVM
from pipeline.detector import TRUSTED

RNG = np.random.default_rng(0)
CLASSES = ["anger", "happy", "neutral", "sad"]
LABELS = np.tile(CLASSES, 60)
SPEAKERS = np.repeat([f"s{i}" for i in range(6)], 40)
CENTRES = RNG.normal(0, 1.2, (4, 10))
TABLE = (np.tile(CENTRES, (60, 1)) + RNG.normal(0, 1, (240, 10))).astype(np.float32)
X = {"statistics": TABLE, "other": TABLE[::-1]}


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("scale", ["none", "standard", "quantile"])
def test_it_learns_with_any_kernel_and_scale(kernel: str, scale: str):
    learn, held_out = np.arange(160), np.arange(160, 240)
    model = SVM(kernel=kernel, scale=scale, random_state=0)
    model.fit(rows(X, learn), LABELS[learn], SPEAKERS[learn])
    assert (model.predict(rows(X, held_out)) == LABELS[held_out]).mean() > 0.75


@pytest.mark.parametrize("classes", [2, 4])
def test_probabilities_are_sound_whatever_the_company(classes: int):
    chosen = np.flatnonzero(np.isin(LABELS, CLASSES[:classes]))
    model = SVM(random_state=0).fit(rows(X, chosen), LABELS[chosen], SPEAKERS[chosen])
    assert model.classes_.tolist() == CLASSES[:classes]
    chances = model.predict_proba(X)
    assert chances.shape == (240, classes)
    assert (chances >= 0).all()
    assert np.abs(chances.sum(axis=1) - 1).max() <= 1e-12
    alone = model.predict_proba(rows(X, np.array([7])))[0]
    assert np.abs(alone - chances[7]).max() <= 1e-9


def test_confidence_is_what_it_is_worth_on_unheard_speakers():
    """Random labels but for a third of the clips: margins are wide, and worth little."""
    rng = np.random.default_rng(1)
    labels = np.where(rng.random(240) < 0.33, LABELS, rng.choice(CLASSES, 240))
    learn, held_out = np.arange(160), np.arange(160, 240)
    model = SVM(C=100, random_state=0).fit(rows(X, learn), labels[learn], SPEAKERS[learn])
    chances = model.predict_proba(rows(X, held_out))
    right = (model.classes_[chances.argmax(axis=1)] == labels[held_out]).mean()
    assert (
        model.machine_.predict(TABLE[learn]) == labels[learn]
    ).mean() > 0.95  # it knows its clips by heart
    assert abs(chances.max(axis=1).mean() - right) < 0.12


def test_calibration_holds_out_whole_speakers():
    """Clips that tell their speaker's label alone are worth nothing on other speakers."""
    names = np.repeat(np.arange(40), 6)
    mood = RNG.integers(0, 2, 40)
    table = np.eye(40)[names] + RNG.normal(0, 0.01, (240, 40))
    labels = np.array(["happy", "sad"])[mood[names]]
    by_clip = SVM(C=10, random_state=0).fit({"statistics": table}, labels)
    by_speaker = SVM(C=10, random_state=0).fit({"statistics": table}, labels, names)
    sure, unsure = (m.predict_proba({"statistics": table}).max(axis=1).mean() for m in (by_clip, by_speaker))
    assert sure > 0.9
    assert unsure < 0.75


def test_few_speakers_make_few_folds():
    two = np.flatnonzero(np.isin(SPEAKERS, ["s0", "s1"]))
    model = SVM(folds=5, random_state=0).fit(rows(X, two), LABELS[two], SPEAKERS[two])
    assert (model.predict(rows(X, two)) == LABELS[two]).mean() > 0.9


def test_one_speaker_is_held_out_by_clip():
    one = np.flatnonzero(SPEAKERS == "s0")
    model = SVM(random_state=0).fit(rows(X, one), LABELS[one], SPEAKERS[one])
    assert (model.predict(rows(X, one)) == LABELS[one]).mean() > 0.9


def test_rare_classes_can_be_made_to_count():
    rare = np.flatnonzero((LABELS != "sad") | (np.arange(240) % 20 == 3))
    answers = [
        SVM(C=0.05, class_weight=weight, random_state=0)
        .fit(rows(X, rare), LABELS[rare], SPEAKERS[rare])
        .machine_.predict(TABLE)
        for weight in (None, "balanced")
    ]
    plain, balanced = ((answer == "sad").sum() for answer in answers)
    assert balanced > plain


def test_seeds_repeat_and_a_clone_is_unfitted():
    model = SVM("other", C=2, gamma=0.5, random_state=1).fit(X, LABELS, SPEAKERS)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copy.predict_proba(X)
    assert np.array_equal(copy.fit(X, LABELS, SPEAKERS).predict_proba(X), model.predict_proba(X))


def test_it_is_stored_and_read_back_without_code(tmp_path: Path):
    tree = {"aroused": ["happy", "anger"], "subdued": ["sad", "neutral"]}
    model = Hierarchical(tree, SVM(scale="quantile", random_state=0)).fit(X, LABELS, SPEAKERS)
    skops.io.dump(model, tmp_path / "model.skops")
    read = skops.io.load(tmp_path / "model.skops", trusted=TRUSTED)
    assert np.array_equal(read.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"C": 0}, "'C' parameter of SVC"),
        ({"gamma": -1}, "'gamma' parameter of SVC"),
        ({"kernel": "round"}, "'kernel' parameter of SVC"),
        ({"scale": "robust"}, "scale must be none, standard or quantile"),
        ({"folds": 1}, "folds must be a whole number above 1, not 1"),
    ],
)
def test_a_setting_out_of_range_is_named(settings: dict[str, object], said: str):
    with pytest.raises(ValueError, match=said):
        SVM(**settings).fit(X, LABELS, SPEAKERS)
