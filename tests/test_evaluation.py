import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score
from tables import SIX, drawn, table

from pipeline import evaluation
from pipeline.taxonomy import Node

FOUR_SPEAKERS = {"ravdess-01": 0.2, "ravdess-02": 0.4, "tess-03": 0.7, "tess-04": 0.9}


def test_scores_by_hand():
    truth = ["anger"] * 3 + ["sad"]
    found = evaluation.scores(truth, ["anger", "anger", "sad", "sad"])
    assert found["uar"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["macro_f1"] == pytest.approx((2 * 1 * (2 / 3) / (5 / 3) + 2 * 0.5 / 1.5) / 2)


def test_scores_average_over_the_classes_in_the_truth_only():
    truth, predicted = ["anger", "anger", "sad"], ["anger", "fear", "sad"]
    found = evaluation.scores(truth, predicted)
    assert found["uar"] == pytest.approx(0.75)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    truth, predicted = rng.choice(SIX, 500), rng.choice(SIX, 500)
    found = evaluation.scores(truth, predicted)
    assert found["uar"] == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_interval_over_speakers_is_wider_than_over_clips_would_be():
    clips = drawn(FOUR_SPEAKERS, 250, seed=3)
    speakers = evaluation.report(clips, SIX, seed=1)["test"]
    each_its_own = clips.assign(speaker=clips["id"])
    alone = evaluation.report(each_its_own, SIX, seed=1)["test"]
    assert speakers["uar"] == alone["uar"]
    assert speakers["uar_high"] - speakers["uar_low"] > 5 * (alone["uar_high"] - alone["uar_low"])


def test_all_right_has_the_interval_one_to_one():
    clips = drawn(dict.fromkeys(FOUR_SPEAKERS, 1.0), 12, seed=0)
    test = evaluation.report(clips, SIX, seed=0)["test"]
    assert (test["uar"], test["uar_low"], test["uar_high"]) == (1.0, 1.0, 1.0)


def test_one_speaker_has_no_interval():
    report = evaluation.report(drawn({"savee-01": 0.5}, 30, seed=0), SIX, seed=0)
    assert report["test"]["speakers"] == 1
    assert report["test"]["uar_low"] is None
    assert report["test"]["uar_high"] is None
    assert "test.uar_low" not in evaluation.flat(report)
    assert "test.uar" in evaluation.flat(report)


def test_report_has_every_group_and_is_json():
    clips = drawn(FOUR_SPEAKERS, 30, seed=5)
    report = json.loads(json.dumps(evaluation.report(clips, SIX, seed=5)))
    test = report["test"]
    assert set(test["corpus"]) == {"ravdess", "tess"}
    assert set(test["sex"]) == {"female", "male"}
    assert set(test["fold"]) == {"0", "1"}
    assert test["clips"] == 120
    assert test["classes"] == 6
    tess = clips[(clips["part"] == "test") & (clips["corpus"] == "tess")]
    assert test["corpus"]["tess"]["uar"] == pytest.approx(
        balanced_accuracy_score(tess["label"], tess["predicted"])
    )
    assert test["corpus"]["tess"]["speakers"] == 2
    assert set(report["validation"]) == set(test) - {"corpus", "sex", "fold"}


def test_report_repeats_and_depends_on_its_seed():
    clips = drawn({f"ravdess-{n:02d}": n / 20 for n in range(20)}, 30, seed=6)
    first = evaluation.report(clips, SIX, seed=1)
    shuffled = evaluation.report(clips.sample(frac=1, random_state=0), SIX, seed=1)
    assert evaluation.flat(shuffled) == pytest.approx(evaluation.flat(first))
    assert evaluation.report(clips, SIX, seed=2)["test"]["sex"] != first["test"]["sex"]


def test_flat_names_fit_mlflow():
    metrics = evaluation.flat(evaluation.report(drawn(FOUR_SPEAKERS, 30, seed=5), SIX, seed=5))
    assert {"test.uar", "validation.uar", "test.corpus.ravdess.uar", "test.sex.female.clips"} <= set(metrics)
    assert all(re.fullmatch(r"[\w.\-/: ]+", name) for name in metrics)
    assert all(type(value) is float for value in metrics.values())


@pytest.mark.parametrize("part", ["validation", "test"])
def test_report_without_a_part_says_which(part):
    clips = drawn(FOUR_SPEAKERS, 6, seed=0)
    with pytest.raises(ValueError, match=f"no {part} clip"):
        evaluation.report(clips[clips["part"] != part], SIX, seed=0)


def test_report_refuses_a_label_that_is_no_class():
    with pytest.raises(ValueError, match="taken for 'sad': the classes are"):
        evaluation.report(drawn(FOUR_SPEAKERS, 6, seed=0), SIX[:-1], seed=0)


def test_calibration_error_is_small_where_confidence_is_right():
    rng = np.random.default_rng(8)
    probabilities = rng.dirichlet(np.full(6, 0.5), 20000)
    truth = np.array(SIX)[[rng.choice(6, p=row) for row in probabilities]]
    clips = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in SIX])
    clips = clips.assign(label=truth, predicted=np.array(SIX)[probabilities.argmax(axis=1)])
    assert evaluation.calibration_error(clips) < 0.02


def test_calibration_error_by_hand():
    truth = ["sad"] * 10
    right, wrong = ["sad"] * 6, ["fear"] * 4
    overconfident = table(truth, right + wrong, ["tess-01"] * 10, confidence=0.99)
    assert evaluation.calibration_error(overconfident) == pytest.approx(0.39)
    sure = table(truth, ["sad"] * 10, ["tess-01"] * 10, confidence=1.0)
    assert evaluation.calibration_error(sure) == pytest.approx(0.0)
    mixed = pd.concat([overconfident, table(truth, ["sad"] * 10, ["tess-01"] * 10, confidence=0.5)])
    assert evaluation.calibration_error(mixed) == pytest.approx((0.39 + 0.5) / 2)


def test_calibration_has_a_row_for_each_bin_that_holds_a_clip():
    speakers = ["tess-01"] * 10
    often = table(["sad"] * 10, ["sad"] * 6 + ["fear"] * 4, speakers, confidence=0.99)
    rarely = table(["sad"] * 10, ["sad"] * 2 + ["fear"] * 8, speakers, confidence=0.41)
    border = table(["sad"] * 10, ["sad"] * 10, speakers, confidence=0.4)  # 6/15: in the bin that ends there
    bins = evaluation.calibration(pd.concat([often, rarely, border]))
    assert bins.to_dict("list") == {
        "low": pytest.approx([5 / 15, 6 / 15, 14 / 15]),
        "high": pytest.approx([6 / 15, 7 / 15, 1]),
        "clips": [10, 10, 10],
        "confidence": pytest.approx([0.4, 0.41, 0.99]),
        "accuracy": pytest.approx([1, 0.2, 0.6]),
    }


def test_selective_answers_by_hand():
    speakers = ["tess-01"] * 4
    sure = table(["sad", "sad", "fear", "fear"], ["sad", "sad", "fear", "sad"], speakers, confidence=0.9)
    unsure = table(["sad", "sad", "fear", "fear"], ["fear", "fear", "fear", "sad"], speakers, confidence=0.5)
    clips = pd.concat([sure, unsure])
    told = evaluation.selective(clips, 0.6)
    assert (told["threshold"], told["coverage"], told["clips"]) == (0.6, 0.5, 4)
    assert (told["uar"], told["accuracy"]) == (pytest.approx(0.75), pytest.approx(0.75))
    every = evaluation.selective(clips, 0.5)
    assert (every["coverage"], every["accuracy"]) == (1, pytest.approx(0.5))
    none = evaluation.selective(clips, 0.95)
    assert (none["coverage"], none["clips"], none["uar"], none["accuracy"]) == (0, 0, None, None)


def test_errors_near_in_the_tree_weigh_less():
    tree = Node.read({"aroused": ["happy", "anger"], "subdued": {"neutral": None, "low": ["sad", "fear"]}})
    found = evaluation.hierarchical(["happy", "sad", "sad"], ["anger", "fear", "happy"], tree)
    # Paths: {aroused, happy} and {aroused, anger}; {subdued, low, sad} and {…, fear}, {aroused, happy}.
    assert found["h_precision"] == pytest.approx((1 + 2 + 0) / (2 + 3 + 2))
    assert found["h_recall"] == pytest.approx((1 + 2 + 0) / (2 + 3 + 3))
    precision, recall = found["h_precision"], found["h_recall"]
    assert found["h_f1"] == pytest.approx(2 * precision * recall / (precision + recall))
    right = evaluation.hierarchical(["happy", "neutral"], ["happy", "neutral"], tree)
    assert set(right.values()) == {1.0}


def test_in_a_tree_without_groups_hierarchical_scores_are_accuracy():
    rng = np.random.default_rng(3)
    truth, predicted = rng.choice(SIX, 200), rng.choice(SIX, 200)
    found = evaluation.hierarchical(truth, predicted, Node.read(list(SIX)))
    assert list(found.values()) == pytest.approx([(truth == predicted).mean()] * 3)


def test_speakers_have_a_row_each_from_their_test_clips():
    clips = table(["anger", "sad", "sad"], ["anger", "sad", "fear"], ["tess-01", "tess-01", "savee-02"])
    rows = evaluation.speakers(pd.concat([clips, clips.assign(part="validation", predicted="happy")]))
    assert rows.to_dict("records") == [
        {"corpus": "savee", "speaker": "savee-02", "sex": "female", "clips": 1, "uar": 0.0, "accuracy": 0.0},
        {"corpus": "tess", "speaker": "tess-01", "sex": "male", "clips": 2, "uar": 1.0, "accuracy": 1.0},
    ]


def test_confusion_counts_the_test_clips_truth_down():
    clips = table(["anger", "sad", "sad"], ["anger", "sad", "fear"], ["tess-01"] * 3)
    matrix = evaluation.confusion(pd.concat([clips, clips.assign(part="validation")]), SIX)
    assert matrix.loc["sad", "fear"] == 1
    assert matrix.loc["fear", "sad"] == 0
    assert matrix.to_numpy().sum() == 3
    assert list(matrix.index) == list(matrix.columns) == list(SIX)


def test_confusions_are_those_of_each_corpus_sex_and_fold():
    clips = drawn(FOUR_SPEAKERS, 30, seed=5)
    found = evaluation.confusions(clips, SIX)
    assert list(found) == [
        "corpus ravdess", "corpus tess", "sex female", "sex male", "fold 0", "fold 1",
    ]  # fmt: skip
    expected = evaluation.confusion(clips[clips["corpus"] == "tess"], SIX)
    pd.testing.assert_frame_equal(found["corpus tess"], expected)
    assert [int(matrix.to_numpy().sum()) for matrix in found.values()] == [60] * 6


def test_difference_of_a_clearly_better_model():
    better = drawn(dict.fromkeys([f"ravdess-{n:02d}" for n in range(12)], 0.8), 60, seed=1)
    worse = drawn(dict.fromkeys([f"ravdess-{n:02d}" for n in range(12)], 0.5), 60, seed=2)
    found = evaluation.difference(better, worse, seed=0)
    test = better["part"] == "test"
    expected = balanced_accuracy_score(*better.loc[test, ["label", "predicted"]].to_numpy().T)
    expected -= balanced_accuracy_score(*worse.loc[test, ["label", "predicted"]].to_numpy().T)
    assert found["difference"] == pytest.approx(expected)
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert found["p"] == pytest.approx(2 / 2**12)  # each of the twelve speakers speaks for the better
    assert (found["clips"], found["speakers"]) == (720, 12)


def test_difference_turned_round_changes_its_sign():
    a, b = drawn(FOUR_SPEAKERS, 40, seed=1), drawn(FOUR_SPEAKERS, 40, seed=2)
    one, other = evaluation.difference(a, b, seed=3), evaluation.difference(b, a, seed=3)
    assert one["difference"] == pytest.approx(-other["difference"])
    assert one["low"] == pytest.approx(-other["high"])
    assert one["high"] == pytest.approx(-other["low"])
    assert one["p"] == other["p"]


def test_difference_is_paired():
    # Speakers differ much, the two models by the same two clips of each: the pairing must see that.
    a = drawn({f"ravdess-{n:02d}": n / 20 for n in range(4, 18)}, 60, seed=1, both_parts=False)
    b = a.copy()
    for _, rows in b[b["label"] == b["predicted"]].groupby("speaker"):
        b.loc[rows.index[:2], "predicted"] = "none"
    found = evaluation.difference(a, b, seed=0)
    alone = evaluation.report(pd.concat([a, a.assign(part="validation")]), SIX, seed=0)["test"]
    assert found["low"] > 0
    assert found["high"] - found["low"] < (alone["uar_high"] - alone["uar_low"]) / 10


def test_difference_to_itself_is_nothing():
    a = drawn(FOUR_SPEAKERS, 40, seed=1)
    found = evaluation.difference(a, a, seed=3)
    assert (found["difference"], found["low"], found["high"], found["p"]) == (0, 0, 0, 1)


def test_difference_on_the_common_clips_only():
    a = drawn(FOUR_SPEAKERS, 40, seed=1, both_parts=False)
    b = drawn(FOUR_SPEAKERS, 40, seed=2, both_parts=False).sample(frac=1, random_state=0)
    found = evaluation.difference(a, b[b["corpus"] == "tess"].assign(id="renamed"), seed=3)
    tess = a[a["corpus"] == "tess"]
    assert (found["clips"], found["speakers"]) == (80, 2)
    assert found["uar_a"] == pytest.approx(balanced_accuracy_score(tess["label"], tess["predicted"]))


def test_difference_with_one_speaker_has_no_interval():
    a, b = drawn({"tess-01": 0.9}, 40, seed=1), drawn({"tess-01": 0.2}, 40, seed=2)
    found = evaluation.difference(a, b, seed=3)
    assert found["difference"] > 0
    assert (found["low"], found["high"], found["p"]) == (None, None, None)


def test_difference_refuses_what_cannot_be_compared():
    a = drawn(FOUR_SPEAKERS, 6, seed=1)
    with pytest.raises(ValueError, match="no test clip in common"):
        evaluation.difference(a, a.assign(sha256="other-" + a["sha256"]), seed=0)
    with pytest.raises(ValueError, match="truth of 4 common clips differs"):
        evaluation.difference(a, a.assign(label=a["label"].replace("sad", "fear")), seed=0)
    with pytest.raises(ValueError, match="one-to-one"):
        evaluation.difference(a, pd.concat([a, a]), seed=0)
