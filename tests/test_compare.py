import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from tables import SIX, drawn

from pipeline import compare, evaluation

ROOT = Path(__file__).resolve().parent.parent
CHOICES = [
    "corpora=sample",
    "taxonomy=six",
    "protocol=speakers",
    "augmentation=none",
    "features=original",
    "seed=9",
]
SPEAKERS = [f"ravdess-{n:02d}" for n in range(1, 9)] + ["savee-09", "tess-10", "tess-11"]


def trained(folder: Path, architecture: str, accuracy: float, **about: object) -> pd.DataFrame:
    """Write what the train stage leaves of one architecture, and return its predictions."""
    predictions = drawn(dict.fromkeys(SPEAKERS, accuracy), 60, seed=len(architecture))
    run = {
        "architecture": architecture,
        "kind": "flat",
        "view": "statistics",
        "taxonomy": "six",
        "protocol": "speakers",
        "shares_speakers": False,
        "trained_on": "sample",
        "splits": "d1",
    } | about
    place = folder / "build" / "train" / architecture
    place.mkdir(parents=True)
    predictions.to_parquet(place / "predictions.parquet")
    (place / "metrics.json").write_text(json.dumps(evaluation.report(predictions, SIX, seed=9)))
    (place / "run.json").write_text(json.dumps(run))
    return predictions


@pytest.fixture
def folder(tmp_path):
    """A working folder with a split and two trained architectures."""
    (tmp_path / "build" / "split").mkdir(parents=True)
    (tmp_path / "build" / "split" / "summary.json").write_text(json.dumps({"digest": "d1"}))
    trained(tmp_path, "mlp", 0.5)
    trained(tmp_path, "hierarchical", 0.7, kind="hierarchical")
    return tmp_path


def command(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.compare", *CHOICES, *overrides],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compare_writes_tables_figures_and_the_verdict(folder):
    done = command(folder)
    assert done.returncode == 0, done.stderr
    out = folder / "build" / "compare"

    table = pd.read_csv(out / "comparison.csv")
    assert len(table) == 2 * (2 + 3 + 2)
    kept = pd.read_parquet(folder / "build/train/mlp/predictions.parquet")
    test = kept[kept["part"] == "test"]
    overall = table[(table["architecture"] == "mlp") & (table["part"] == "test")].set_index("name")
    assert overall.loc["all", "uar"] == pytest.approx(
        evaluation.scores(test["label"], test["predicted"])["uar"]
    )
    assert overall.loc["all", "uar_low"] < overall.loc["all", "uar"] < overall.loc["all", "uar_high"]
    assert pd.isna(overall.loc["savee", "uar_low"])
    assert overall["clips"].to_dict() == {
        "all": 660, "ravdess": 480, "savee": 60, "tess": 120, "female": 300, "male": 360,
    }  # fmt: skip

    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) == {"mlp", "hierarchical"}
    assert metrics["mlp"]["test_uar"] == pytest.approx(overall.loc["all", "uar"])
    assert set(metrics["mlp"]) == {
        "validation_uar", "test_uar", "test_uar_low", "test_uar_high", "test_accuracy", "test_macro_f1",
    }  # fmt: skip

    (found,) = json.loads((out / "differences.json").read_text())
    assert (found["hierarchical"], found["flat"], found["view"]) == ("hierarchical", "mlp", "statistics")
    assert found["difference"] == pytest.approx(
        metrics["hierarchical"]["test_uar"] - metrics["mlp"]["test_uar"]
    )
    assert found["low"] > 0
    assert found["sentence"].startswith("hierarchical is better than mlp: UAR 0.")
    assert found["sentence"].endswith("Note: synthetic voices: scores mean nothing.")

    page = (out / "comparison.md").read_text(encoding="utf-8")
    assert found["sentence"] in page
    assert "synthetic voices: scores mean nothing" in page
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    (savee,) = (row for row in cells if row[:1] == ["mlp"] and "savee" in row)
    assert f"{overall.loc['savee', 'uar']:.3f}" in savee
    for name in ("comparison", "corpora"):
        text = Image.open(out / "figures" / f"{name}.png").text["Description"]
        assert text.endswith("(synthetic voices: scores mean nothing)")
    assert sorted(path.name for path in out.parent.iterdir()) == ["compare", "split", "train"]


def test_compare_leaves_out_runs_of_other_choices(folder):
    trained(folder, "old", 0.9, splits="d0")
    trained(folder, "other", 0.9, taxonomy="four", trained_on="full")
    trained(folder, ".lstm.partial", 0.9)
    trained(folder, "unchosen", 0.9)
    done = command(folder, "architectures=[mlp,hierarchical,old,other,missing]")
    assert done.returncode == 0, done.stderr
    assert set(json.loads((folder / "build/compare/metrics.json").read_text())) == {"mlp", "hierarchical"}
    assert "missing is left out: it has not been trained" in done.stderr
    assert "old is left out" in done.stderr
    assert "splits d0 (now d1)" in done.stderr
    assert "taxonomy four (now six), trained_on full (now sample)" in done.stderr


def test_compare_without_a_run_of_the_choices_says_what_to_do(folder):
    done = command(folder, "protocol=folds")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "error: build/train holds no run of taxonomy six, protocol folds"
    )
    assert "Traceback" not in done.stderr
    assert not (folder / "build" / "compare").exists()


@pytest.mark.parametrize(
    ("path", "text"),
    [("split/summary.json", None), ("train/mlp/metrics.json", "{"), ("train/mlp/predictions.parquet", "x")],
)
def test_compare_names_the_file_that_is_missing_or_broken(folder, path, text):
    broken = folder / "build" / path
    broken.unlink()
    if text is not None:
        broken.write_text(text)
    done = command(folder)
    assert done.returncode == 1
    assert f"build/{path}" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (folder / "build" / "compare").exists()


def test_differences_pair_hierarchical_with_flat_of_the_same_view(tmp_path):
    def run(name: str, kind: str, view: str | None) -> compare.Run:
        return compare.Run({"kind": kind, "view": view}, {}, trained(tmp_path, name, 0.5))

    runs = {
        "mlp": run("mlp", "flat", "statistics"),
        "lstm": run("lstm", "flat", "logmel"),
        "tree": run("tree", "hierarchical", "statistics"),
        "forest": run("forest", "hierarchical", "statistics"),
    }
    pairs = [(found["hierarchical"], found["flat"]) for found in compare.differences(runs, seed=1)]
    assert pairs == [("tree", "mlp"), ("forest", "mlp")]


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.05, "tree is better than mlp:"),
        (-0.05, -0.01, "tree is worse than mlp:"),
        (-0.01, 0.05, "Whether tree is better than mlp cannot be told:"),
        (0.0, 0.0, "Whether tree is better than mlp cannot be told:"),
        (None, None, "Whether tree is better than mlp cannot be told from one speaker:"),
    ],
)
def test_sentence_says_who_wins_or_that_it_cannot_be_told(low, high, said):
    result = {
        "uar_a": 0.52,
        "uar_b": 0.5,
        "difference": 0.02,
        "low": low,
        "high": high,
        "clips": 9,
        "speakers": 3,
    }
    told = compare.sentence("tree", "mlp", result)
    assert told.startswith(said)
    assert "UAR 0.520 against 0.500 on 9 clips of 3 speakers" in told
