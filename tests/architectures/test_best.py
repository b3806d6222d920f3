import numpy as np
import pytest
import skops.io

from pipeline.architectures.best import Best
from pipeline.architectures.mlp import MLP
from pipeline.architectures.speakers import parts
from pipeline.detector import TRUSTED

RNG = np.random.default_rng(0)
LABELS = np.tile(np.repeat(["anger", "happy", "sad"], 6), 5)
SPEAKERS = np.repeat(list("abcde"), 18)


def views() -> dict[str, np.ndarray]:
    """One view tells the emotion; one tells only which clip it is: enough for clips that are known."""
    told = (LABELS[:, None] == np.unique(LABELS)) * 3.0
    return {
        "telling": told + RNG.normal(size=told.shape),
        "noise": RNG.normal(size=(len(LABELS), 40)),
    }


def small(view: str) -> MLP:
    return MLP(view, units=16, max_iter=80, random_state=0)


@pytest.mark.parametrize("order", [("noise", "telling"), ("telling", "noise")])
def test_it_chooses_what_holds_on_other_speakers(order: tuple[str, str]):
    X = views()
    model = Best({name: small(name) for name in order}).fit(X, LABELS, SPEAKERS)
    assert model.chosen_ == "telling"
    assert model.scores_["telling"] > 0.8
    assert model.scores_["noise"] < 0.55
    assert model.views == ("telling",)
    again = small("telling").fit(X, LABELS)
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_it_asks_for_all_views_until_it_has_chosen():
    assert Best({"a": small("noise"), "b": small("telling")}).views == ("noise", "telling")


def test_a_single_candidate_is_taken_untried():
    model = Best({"only": small("noise")}).fit(views(), LABELS, SPEAKERS)
    assert model.chosen_ == "only"
    assert model.scores_ == {}


def test_none_to_choose_from_is_said():
    with pytest.raises(ValueError, match="at least one architecture"):
        Best({}).fit(views(), LABELS, SPEAKERS)


def test_it_is_stored_without_code():
    X = views()
    model = Best({"a": small("noise"), "b": small("telling")}).fit(X, LABELS, SPEAKERS)
    again = skops.io.loads(skops.io.dumps(model), trusted=TRUSTED)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(("speakers", "folds"), [(SPEAKERS, 4), (SPEAKERS, 9), (None, 3)])
def test_parts_share_no_speaker_and_hold_every_label(speakers, folds: int):
    found = parts(LABELS, speakers, folds)
    assert 2 <= len(found) <= folds
    for inside, outside in found:
        assert sorted([*inside, *outside]) == list(range(len(LABELS)))
        assert set(LABELS[inside]) == set(LABELS[outside]) == set(LABELS)
        if speakers is not None:
            assert not set(speakers[inside]) & set(speakers[outside])


def test_too_few_clips_to_divide_are_named():
    with pytest.raises(ValueError, match="cannot be divided"):
        parts(np.array(["anger", "sad"]), np.array(["a", "b"]), 2)
