import json
from dataclasses import replace
from pathlib import Path

import pytest
from champion import CARD, FACTS, METRICS, NAME, detector

from pipeline.detector import DEMONSTRATION, Detector
from pipeline.version import UnfitError, Version, known, probe

TAGS = {"trained_on": "sample", **FACTS}


@pytest.fixture(scope="module")
def version() -> Version:
    return Version(detector(), known(NAME, "3", "2026-11-25", TAGS, METRICS), CARD)


@pytest.fixture
def folder(version: Version, tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    version.detector.save(tmp_path / "data")  # as MLflow has it, further down
    version.describe(tmp_path)
    return tmp_path


def test_is_the_same_when_read_again(version: Version, folder: Path) -> None:
    again = Version.read(folder)
    assert again is not None
    assert again.about == {"name": NAME, "version": "3", "trained_on": "sample", "note": DEMONSTRATION}
    assert again.card == CARD
    assert again.facts == {**version.facts, "answer": probe(version.detector)}
    again.check()


def test_knows_scores_of_all_clips_and_what_it_was_made_with(version: Version) -> None:
    assert version.facts["metrics"] == {"test.uar": 0.61, "test.uar_low": 0.55, "validation.uar": 0.65}
    assert version.facts["corpora"] == ["ravdess", "tess"]
    assert (version.facts["commit"], version.facts["date"]) == (FACTS["commit"], "2026-11-25")


def test_may_be_without_a_card(folder: Path) -> None:
    (folder / "card.md").unlink()
    again = Version.read(folder)
    assert again is not None
    assert again.card is None


@pytest.mark.parametrize("missing", ["model.json", "data/detector.skops"])
def test_is_none_where_a_part_is_missing(folder: Path, missing: str) -> None:
    (folder / missing).unlink()
    assert Version.read(folder) is None


def test_another_answer_than_it_was_stored_with_is_unfit(folder: Path) -> None:
    told = json.loads((folder / "model.json").read_text())
    best = max(told["answer"], key=told["answer"].get)
    told["answer"] |= {best: told["answer"][best] - 0.2}
    (folder / "model.json").write_text(json.dumps(told))
    again = Version.read(folder)
    assert again is not None
    with pytest.raises(UnfitError, match=r"otherwise than when it was stored, by 0\.20"):
        again.check()


def test_other_classes_than_it_was_stored_with_are_unfit(version: Version) -> None:
    stored = replace(version, facts={**version.facts, "classes": ["happy", "sad"]})
    with pytest.raises(UnfitError, match=r"was stored with \['happy', 'sad'\]"):
        stored.check()


@pytest.mark.parametrize("wrong", [float("nan"), 2.0, -0.5])
def test_what_are_no_probabilities_is_unfit(
    version: Version, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Detector.probabilities
    monkeypatch.setattr(Detector, "probabilities", lambda self, sounds: right(self, sounds) * wrong)
    with pytest.raises(UnfitError, match="its probabilities are none"):
        version.check()


def test_classes_that_the_tree_lacks_are_unfit(version: Version) -> None:
    found = version.detector
    tree = {"happy": None, "others": ["sad", "anger"]}
    odd = Detector(found.estimator, found.views, tree, "sample")
    with pytest.raises(UnfitError, match="not those of its tree"):
        replace(version, detector=odd).check()
