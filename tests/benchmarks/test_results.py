from collections import Counter
from contextlib import suppress

import pandas as pd
import pytest
import yaml

from benchmarks import results
from pipeline.stage import ROOT


def test_everything_is_compared_and_what_is_slow_under_one_protocol():
    plans = list(results.plan({"corpora": "full"}))
    assert {choices["corpora"] for choices in plans} == {"full"}
    pairs = Counter(
        (choices["taxonomy"], choices["protocol"]) for choices in plans if "features" not in choices
    )
    assert set(pairs) == {(t, p) for t in results.TAXONOMIES for p in results.PROTOCOLS}
    assert set(pairs.values()) == {1}
    for choices in plans:
        assert bool(set(results.SLOW) & set(choices["architectures"])) == (
            choices["protocol"] == "folds" and "features" not in choices
        )
        for name in choices["architectures"]:
            assert (ROOT / "conf" / "architecture" / f"{name}.yaml").is_file()
        assert (ROOT / "conf" / "protocol" / f"{choices['protocol']}.yaml").is_file()


def test_what_is_given_comes_first():
    given = {"taxonomy": "four", "protocol": "clips", "architectures": ["mlp"]}
    assert {tuple(choices["architectures"]) for choices in results.plan(given)} == {("mlp",)}
    assert {(choices["taxonomy"], choices["protocol"]) for choices in results.plan(given)} == {
        ("four", "clips")
    }


def test_the_choices_come_back_whatever_happens(tmp_path, monkeypatch: pytest.MonkeyPatch):
    params = tmp_path / "params.yaml"
    params.write_text("# kept\ntaxonomy: six\nseed: 9\n")
    monkeypatch.setattr(results, "ROOT", tmp_path)
    with suppress(KeyboardInterrupt), results.choosing(taxonomy="four"):
        assert yaml.safe_load(params.read_text()) == {"taxonomy": "four", "seed": 9}
        raise KeyboardInterrupt
    assert params.read_text() == "# kept\ntaxonomy: six\nseed: 9\n"


def test_the_overview_has_a_table_for_each_taxonomy():
    found = pd.Series({"mlp": "0.400 (0.300–0.500)", "lstm": "0.500"})
    reference = pd.Series({"opensmile_egemaps": "0.450"})
    scores = {("six", "clips"): [found[:1]], ("six", "folds"): [found, reference], ("four", "folds"): [found]}
    six, four = results.overview(scores)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in six.splitlines()]
    assert rows[0] == ["six classes", "clips", "folds"]
    assert sorted(rows[2:]) == [
        ["lstm", "–", "0.500"],
        ["mlp", "0.400 (0.300–0.500)", "0.400 (0.300–0.500)"],
        ["opensmile_egemaps", "–", "0.450"],
    ]
    assert "clips" not in four
