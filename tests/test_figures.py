from itertools import pairwise

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from PIL import Image
from tables import SIX, drawn

from pipeline import evaluation, figures

SPEAKERS = {"ravdess-01": 0.2, "ravdess-02": 0.4, "tess-03": 0.7, "tess-04": 0.9, "savee-05": 0.5}
NOTE = "synthetic voices: scores mean nothing"


@pytest.fixture(scope="module")
def predictions():
    return drawn(SPEAKERS, 30, seed=1)


def by_speaker(predictions):
    """Return five matrices: more than a row of the figure holds."""
    return {name: evaluation.confusion(clips, SIX) for name, clips in predictions.groupby("speaker")}


@pytest.fixture(scope="module")
def reports(predictions):
    return {
        "mlp": evaluation.report(predictions, SIX, seed=1),
        "hierarchical": evaluation.report(drawn(SPEAKERS, 30, seed=2), SIX, seed=1),
    }


@pytest.fixture(scope="module")
def drawings(predictions, reports):
    return {
        "confusion": figures.confusion(evaluation.confusion(predictions, SIX), "confusion", NOTE),
        "confusions": figures.confusions(by_speaker(predictions), "confusions", NOTE),
        "reliability": figures.reliability(evaluation.calibration(predictions), "reliability", NOTE),
        "speakers": figures.speakers(evaluation.speakers(predictions), 1 / 6, "speakers", NOTE),
        "groups": figures.groups(reports, "corpus", 1 / 6, "groups", NOTE),
        "architectures": figures.architectures(reports, 1 / 6, "architectures", NOTE),
        "losses": figures.losses({"training": [[2.0, 1.0], [2.0, 1.5, 1.2]]}, "losses", NOTE),
    }


NAMES = ["confusion", "confusions", "reliability", "speakers", "groups", "architectures", "losses"]


@pytest.mark.parametrize("name", NAMES)
def test_figure_is_written_with_its_title_and_note(drawings, name, tmp_path):
    figures.save(drawings[name], tmp_path / "figure.png")
    assert Image.open(tmp_path / "figure.png").text["Description"] == f"{name} ({NOTE})"
    assert matplotlib.image.imread(tmp_path / "figure.png").std() > 0.05
    assert drawings[name].get_suptitle() == name
    assert drawings[name].get_supxlabel() == NOTE
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_or_overlaps(drawings, name):
    figure = drawings[name]
    figure.draw_without_rendering()
    inner = figure.get_tightbbox().extents
    assert (inner[:2] >= 0).all()
    assert (inner[2:] <= figure.get_size_inches()).all()
    axes = figure.axes[0]
    for labels in (axes.get_yticklabels(), axes.get_xticklabels() if "confusion" not in name else []):
        boxes = [label.get_window_extent() for label in labels if label.get_text()]
        assert not any(one.overlaps(other) for one, other in pairwise(boxes))


def test_confusion_shows_clips_and_part_of_the_row():
    matrix = evaluation.confusion(drawn({"tess-01": 1.0}, 12, seed=0), SIX)
    matrix.loc["sad"] = [1, 0, 0, 0, 0, 3]
    matrix.loc["fear"] = 0
    texts = [text.get_text() for text in figures.confusion(matrix, "t").axes[0].texts]
    assert texts[-6:] == ["1\n25%", "0\n0%", "0\n0%", "0\n0%", "0\n0%", "3\n75%"]
    assert texts[12:18] == ["0\n0%"] * 6
    assert texts[0] == "2\n100%"


def test_confusions_have_a_panel_each(drawings, predictions):
    matrices = by_speaker(predictions)
    panels = drawings["confusions"].axes
    assert [panel.get_title() for panel in panels] == [f"{name}: 30 clips" for name in sorted(SPEAKERS)]
    for panel, matrix in zip(panels, matrices.values(), strict=True):
        shares = matrix.to_numpy() / matrix.to_numpy().sum(axis=1, keepdims=True)
        assert [text.get_text() for text in panel.texts] == [f"{share:.0%}" for share in shares.ravel()]


def test_reliability_shows_accuracy_over_confidence(predictions):
    sure = predictions.assign(p_sad=0.0, p_anger=np.where(predictions["predicted"] == "anger", 0.31, 0.01))
    bins = evaluation.calibration(pd.concat([predictions, sure]))
    axes = figures.reliability(bins, "t").axes[0]
    diagonal, points = axes.get_lines()
    assert len(bins) > 2
    assert points.get_xydata() == pytest.approx(bins[["confidence", "accuracy"]].to_numpy())
    assert diagonal.get_xydata().tolist() == [[0, 0], [1, 1]]
    assert sum(bar.get_height() for bar in axes.patches) == pytest.approx(1)
    assert [bar.get_x() for bar in axes.patches] == pytest.approx(bins["low"].tolist())


def test_speakers_stand_best_first_in_the_colour_of_their_corpus(drawings, predictions):
    axes = drawings["speakers"].axes[0]
    rows = evaluation.speakers(predictions).set_index("speaker")
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(rows.sort_values("uar", ascending=False).index)
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for bars in axes.containers for bar in bars}
    for row, name in enumerate(names):
        assert bars[row].get_width() == pytest.approx(rows.loc[name, "uar"])
    colours = {name: bars[row].get_facecolor() for row, name in enumerate(names)}
    assert colours["tess-03"] == colours["tess-04"] != colours["ravdess-01"]


def test_groups_have_whiskers_where_there_is_an_interval(drawings, reports):
    axes = drawings["groups"].axes[0]
    names = [label.get_text().split("\n") for label in axes.get_yticklabels()]
    assert names == [
        ["ravdess", "60 clips, 2 speakers"],
        ["savee", "30 clips, 1 speaker: no interval"],
        ["tess", "60 clips, 2 speakers"],
    ]
    whiskers = np.vstack([segment for lines in axes.collections for segment in lines.get_segments()])
    expected = [
        bound
        for name in reports
        for corpus in ("ravdess", "tess")
        for bound in (
            reports[name]["test"]["corpus"][corpus]["uar_low"],
            reports[name]["test"]["corpus"][corpus]["uar_high"],
        )
    ]
    assert whiskers[:, 0] == pytest.approx(expected)


def test_architectures_show_test_and_validation(drawings, reports):
    test, validation = (
        [bar.get_width() for bar in bars] for bars in drawings["architectures"].axes[0].containers[::2]
    )
    assert test == pytest.approx([report["test"]["uar"] for report in reports.values()])
    assert validation == pytest.approx([report["validation"]["uar"] for report in reports.values()])


def test_losses_of_one_name_share_a_colour_and_a_place_in_the_legend():
    figure = figures.losses({"emotion": [[3.0, 2.0], [3.0, 1.0]], "aroused": [[2.0, 1.0]]}, "loss")
    axes = figure.axes[0]
    first, second, third = axes.get_lines()
    assert first.get_color() == second.get_color() != third.get_color()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["emotion", "aroused"]
    assert list(second.get_ydata()) == [3.0, 1.0]


@pytest.mark.parametrize(
    ("trained_on", "shares", "said"),
    [
        ("full", False, ""),
        ("sample", False, NOTE),
        ("full", True, "speakers shared between training and test"),
        ("sample", True, f"{NOTE}; speakers shared between training and test"),
    ],
)
def test_caveat(trained_on, shares, said):
    assert figures.caveat(trained_on, shares) == said
