import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile as sf
from champion import NAME, Home, detector, tone

from pipeline import release
from pipeline.audio import RATE
from pipeline.detect import main
from pipeline.detector import DEMONSTRATION, Detector, about


@pytest.fixture(scope="module")
def crowned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    home = Home(tmp_path_factory.mktemp("detect"))
    detector = home.crown()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", home.environment["MLFLOW_TRACKING_URI"])
        patch.chdir(home.folder)
        yield detector


def test_answers_in_order_and_goes_on_after_a_bad_file(
    crowned: Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, words, folder, missing, last = (
        tmp_path / name for name in ("a.wav", "b.wav", "c", "d.wav", "e.flac")
    )
    sounds = {good: tone(400, 7), last: tone(900, 8)}
    for path, sound in sounds.items():
        sf.write(path, sound, RATE, subtype="PCM_24")
    words.write_text("these are words")
    folder.mkdir()
    status = main(["--taxonomy", "six", *map(str, (good, words, folder, missing, last))])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert status == 1
    assert [line["file"] for line in lines] == [str(path) for path in (good, words, folder, missing, last)]
    for line, sound in zip((lines[0], lines[4]), sounds.values(), strict=True):
        expected = crowned.detect(sound).to_dict()
        assert line["emotion"] == expected["emotion"]
        assert line["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)  # 24 bits a sample
        assert [step["node"] for step in line["path"]] == [step["node"] for step in expected["path"]]
        assert line["model"] == {"name": NAME, "version": "1", "trained_on": "sample", "note": DEMONSTRATION}
    assert [line["error"]["code"] for line in lines[1:4]] == ["unreadable", "file", "file"]
    assert all(set(line["error"]) == {"code", "message", "hint"} for line in lines[1:4])


def test_ends_well_where_every_file_is_good(
    crowned: Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sf.write(tmp_path / "a.wav", tone(400, 7), RATE)
    assert main(["--taxonomy", "six", str(tmp_path / "a.wav")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_says_what_to_do_without_a_champion(
    crowned: Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--taxonomy", "four", str(tmp_path / "a.wav")]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "emotion-detector-four" in said.err
    assert "make repro" in said.err


def test_asks_the_release_where_there_is_no_champion(
    crowned: Detector, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sf.write(tmp_path / "a.wav", tone(400, 7), RATE)
    told = {"version": "release-2026-11-23", "trained_on": "full", "licence": "CC", "note": "For research."}
    model = {"name": "emotion-detector-four", **told, "corpora": []}
    release.write(detector("full"), model, "# A card\n", tmp_path / "release")
    models = []
    for taxonomy in ("four", "six"):
        assert main(["--taxonomy", taxonomy, "a.wav"]) == 0
        models.append(json.loads(capsys.readouterr().out)["model"])
    assert models[0] == {"name": "emotion-detector-four", **told}
    assert (models[1]["name"], models[1]["version"]) == (NAME, "1")  # the champion comes first


def test_refuses_an_unknown_taxonomy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--taxonomy", "seven", "a.wav"])
    assert stop.value.code == 2
    assert "'four', 'six'" in capsys.readouterr().err


def test_calls_only_a_sample_model_a_demonstration() -> None:
    assert "note" not in about("a", "1", "full")
    assert about("a", "1", "sample")["note"] == DEMONSTRATION
