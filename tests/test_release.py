import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from champion import CARD, FACTS, NAME, Home, tone
from project import Project

from pipeline import release
from pipeline.corpora import CORPORA
from pipeline.detector import Detector
from pipeline.stage import ROOT, PipelineError
from pipeline.version import Version

SOUNDS = [tone(pitch, seed=9) for pitch in (200, 600, 1200)]


@pytest.fixture(scope="module")
def crowned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Detector]:
    """A home with a champion of tones that says that it is trained on real recordings."""
    home = Home(tmp_path_factory.mktemp("release"))
    return home, home.crown("full")


@pytest.fixture
def inside(crowned: tuple[Home, Detector], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Work in a folder of the test's own, with the home's registry."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", crowned[0].environment["MLFLOW_TRACKING_URI"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_released_champion_answers_the_same(
    crowned: tuple[Home, Detector], inside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["--taxonomy", "six"]) == 0
    assert "dvc add release && dvc push" in capsys.readouterr().out
    folder = inside / "release"
    assert {path.name for path in folder.iterdir()} == {"detector.skops", "model.json", "card.md", "LICENSE"}
    found = Version.read(folder)
    assert found is not None
    detector, told = found.detector, found.about
    assert np.array_equal(detector.probabilities(SOUNDS), crowned[1].probabilities(SOUNDS))
    model = json.loads((folder / "model.json").read_text())
    assert told == {key: model[key] for key in ("name", "version", "trained_on", "licence", "note")}
    assert (model["name"], model["trained_on"], model["registered"]) == (NAME, "full", "1")
    assert model["version"] == f"release-{model['date']}"
    assert model["metrics"] == {"test.uar": 0.61, "test.uar_low": 0.55, "validation.uar": 0.65}
    assert (model["commit"], model["splits"]) == (FACTS["commit"], FACTS["splits"])
    assert "research only" in told["note"]
    assert found.card == CARD
    found.check()


def test_the_notice_credits_the_corpora_that_were_learned_from(
    crowned: tuple[Home, Detector], inside: Path
) -> None:
    assert release.main(["--taxonomy", "six"]) == 0
    notice = (inside / "release" / "LICENSE").read_text()
    assert "Attribution-NonCommercial-ShareAlike 4.0" in notice
    assert "https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode" in notice
    assert [name for name, corpus in CORPORA.items() if corpus.citation in notice] == ["ravdess", "tess"]


def test_refuses_what_is_not_to_be_given_away(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(inside)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", home.environment["MLFLOW_TRACKING_URI"])
    for said, facts in {
        "synthetic voices": {"trained_on": "sample"},
        "speakers that it knows": {"trained_on": "full", "shares_speakers": "True"},
        "no model card": {"trained_on": "full", "card": None},
    }.items():
        home.crown(**facts)
        assert release.main(["--taxonomy", "six"]) == 1
        assert said in capsys.readouterr().err
        assert not list(inside.glob("*release*"))


def test_says_what_to_do_without_a_champion(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert release.main(["--taxonomy", "four"]) == 1
    said = capsys.readouterr().err
    assert "emotion-detector-four" in said
    assert "make repro" in said


def test_refuses_a_run_that_does_not_say_what_it_learned_from() -> None:
    facts = {"trained_on": "full", **FACTS}
    release.check(NAME, facts)
    with pytest.raises(PipelineError, match="does not say its corpora"):
        release.check(NAME, {key: value for key, value in facts.items() if key != "corpora"})


def test_what_is_too_large_leaves_the_release_before_it(
    inside: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release.main(["--taxonomy", "six"]) == 0
    before = {path.name: path.read_bytes() for path in (inside / "release").iterdir()}
    size = sum(map(len, before.values()))
    monkeypatch.setattr(release, "LIMIT", size // 2)
    assert release.main(["--taxonomy", "six"]) == 1
    assert "smaller model" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (inside / "release").iterdir()} == before
    assert [path.name for path in inside.glob("*release*")] == ["release"]
    monkeypatch.setattr(
        release, "LIMIT", size + 1000
    )  # a file of skops has a few bytes more or less each time
    assert release.main(["--taxonomy", "six"]) == 0


def test_the_limit_is_the_one_that_is_promised() -> None:
    assert release.LIMIT == 5_000_000


def test_what_is_pinned_here_comes_with_the_clone_and_answers(tmp_path: Path) -> None:
    clone = Project.fresh(tmp_path)
    done = clone.dvc("pull", "release.dvc")
    assert done.status == 0, done.output
    folder = clone.folder / "release"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= release.LIMIT
    found = Version.read(folder)
    assert found is not None
    detector, told = found.detector, found.about
    assert (told["name"], told["trained_on"], told["licence"]) == (NAME, "full", release.LICENCE)
    chances = detector.probabilities(SOUNDS)
    assert chances.shape == (3, 6)
    assert chances.sum(axis=1) == pytest.approx(1)
    found.check()  # this code computes the views as the code did that it was released with
    assert (
        release.licence(json.loads((folder / "model.json").read_text())) == (folder / "LICENSE").read_text()
    )
    assert "# " in (folder / "card.md").read_text()
    assert clone.git("status", "--porcelain") == ""
    assert "remote: embedded" in (ROOT / "release.dvc").read_text()  # whichever remote a team makes its own
