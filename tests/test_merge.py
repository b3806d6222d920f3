import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from pipeline import merge, table
from pipeline.audio import RATE, decode
from pipeline.stage import PipelineError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 92814\n"


@pytest.fixture
def downloads(tmp_path: Path, say_downloaded, voice) -> Path:
    """Lay out three corpora with every oddity that their mirrors show; SAVEE is missing."""
    build = tmp_path / "build"
    say_downloaded(build, "ravdess", "tess", "cremad")

    def put(path: str, sound: np.ndarray, rate: int, **options: str) -> None:
        file = build / "download" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        sf.write(file, sound, rate, **options)

    def write(path: str, data: bytes) -> None:
        file = build / "download" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)

    happy = voice(200.0, 1, rate=48_000)
    stereo = np.column_stack([voice(210.0, 2, rate=48_000), voice(215.0, 3, rate=48_000)])
    put("ravdess/Actor_01/03-01-03-01-01-01-01.wav", happy, 48_000)
    nested = "ravdess/audio_speech_actors_01-24/Actor_01/03-01-03-01-01-01-01.wav"
    put(nested, happy, 48_000)
    put("ravdess/Actor_02/03-01-05-02-01-02-02.wav", stereo, 48_000)
    put("ravdess/Actor_02/03-01-02-01-01-01-02.wav", happy, 48_000)  # calm
    put("ravdess/Actor_02/03-01-08-01-01-01-02.wav", happy, 48_000)  # surprised
    put("ravdess/Actor_02/03-01-09-01-01-01-02.wav", happy, 48_000)  # no such emotion
    write("ravdess/Actor_02/.DS_Store", b"folder")
    write("ravdess/README.txt", b"read me")

    put("tess/OAF_back_angry.wav", voice(220.0, 4, rate=24_414), 24_414, format="AIFF", subtype="PCM_16")
    put("tess/OA_bite_neutral.wav", voice(230.0, 5, rate=96_000), 96_000)
    put("tess/YAF_back_sad.wav", np.zeros(24_414, np.float32), 24_414)
    write("tess/YAF_back_fear.wav", b"")
    put("tess/YAF_back_ps.wav", voice(240.0, 6, rate=24_414), 24_414)
    put("tess/YAF_back_disgust.wav", voice(250.0, 7, 0.05, rate=24_414), 24_414)
    # The first copy is broken, the nested one is whole: the clip is had all the same.
    write("tess/YAF_back_happy.wav", b"RIFF and nothing else")
    put("tess/TESS/YAF_back_happy.wav", voice(260.0, 8, rate=24_414), 24_414)

    put("cremad/AudioWAV/1001_DFA_ANG_XX.wav", voice(270.0, 9), RATE)
    put("cremad/AudioWAV/1002_DFA_ANG_XX.wav", voice(270.0, 9), RATE)  # twin: one sound, two names
    write("cremad/AudioWAV/1001_DFA_SAD_XX.wav", POINTER)
    write("cremad/AudioWAV/1001_DFA_FEA_XX.wav", b"<html>404</html>")
    put("cremad/AudioWAV/1001_DFA_HAP_LO.wav", voice(280.0, 10), RATE)
    return build


def merged(build: Path, configure, jobs: int = 1) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    merge.main(configure(f"build={build}", f"jobs={jobs}"))
    folder = build / "merge"
    summary = json.loads((folder / "summary.json").read_text())
    return table.read(folder / "utterances.parquet"), table.read(folder / "quarantine.parquet"), summary


def test_the_table(downloads: Path, configure):
    rows = merged(downloads, configure)[0]
    columns = ["id", "speaker", "sex", "original_label", "label", "intensity", "sentence"]
    told = rows[columns].astype(object).where(rows[columns].notna(), None)
    assert told.to_numpy().tolist() == [
        ["cremad-1001_DFA_ANG_XX", "cremad-1001", "male", "anger", "anger", None, "DFA"],
        ["cremad-1001_DFA_HAP_LO", "cremad-1001", "male", "happy", "happy", "low", "DFA"],
        ["ravdess-03-01-03-01-01-01-01", "ravdess-01", "male", "happy", "happy", "normal", "01"],
        ["ravdess-03-01-05-02-01-02-02", "ravdess-02", "female", "angry", "anger", "strong", "01"],
        ["tess-OAF_back_angry", "tess-OAF", "female", "angry", "anger", None, "back"],
        ["tess-OAF_bite_neutral", "tess-OAF", "female", "neutral", "neutral", None, "bite"],
        ["tess-YAF_back_happy", "tess-YAF", "female", "happy", "happy", None, "back"],
    ]
    assert rows.native_rate.tolist() == [16_000, 16_000, 48_000, 48_000, 24_414, 96_000, 24_414]
    assert rows.channels.tolist() == [1, 1, 1, 2, 1, 1, 1]
    assert rows["take"].isna().tolist() == [True, True, False, False, True, True, True]
    assert np.allclose(rows.duration, 0.5, atol=1e-3)
    assert (rows.path == "clips/" + rows.corpus + "/" + rows.id + ".flac").all()


def test_what_was_left_out_and_why(downloads: Path, configure):
    quarantine = merged(downloads, configure)[1]
    assert sorted(quarantine[["corpus", "path", "reason"]].to_numpy().tolist()) == [
        ["cremad", "AudioWAV/1001_DFA_FEA_XX.wav", "unreadable"],
        ["cremad", "AudioWAV/1001_DFA_SAD_XX.wav", "pointer"],
        ["cremad", "AudioWAV/1002_DFA_ANG_XX.wav", "duplicate"],
        ["ravdess", "Actor_02/03-01-09-01-01-01-02.wav", "name"],
        ["ravdess", "audio_speech_actors_01-24/Actor_01/03-01-03-01-01-01-01.wav", "duplicate"],
        ["tess", "YAF_back_disgust.wav", "short"],
        ["tess", "YAF_back_fear.wav", "empty"],
        ["tess", "YAF_back_happy.wav", "unreadable"],
        ["tess", "YAF_back_sad.wav", "silent"],
    ]
    detail = quarantine.set_index("path").detail
    assert "cremad-1001_DFA_ANG_XX" in detail["AudioWAV/1002_DFA_ANG_XX.wav"]
    assert "git-lfs" in detail["AudioWAV/1001_DFA_SAD_XX.wav"]


def test_what_listeners_heard_is_kept_where_their_table_is(downloads: Path, configure):
    merged(downloads, configure)
    assert table.read(downloads / "merge" / "listeners.parquet").empty
    votes = downloads / "download" / "cremad" / "summaryTable.csv"
    votes.write_text("FileName,VoiceVote\n1001_DFA_ANG_XX,A:N\n1001_DFA_HAP_LO,N\n")
    merged(downloads, configure)
    heard = table.read(downloads / "merge" / "listeners.parquet")
    assert heard.to_numpy().tolist() == [
        ["cremad-1001_DFA_ANG_XX", "anger", 0.5],
        ["cremad-1001_DFA_ANG_XX", "neutral", 0.5],
        ["cremad-1001_DFA_HAP_LO", "neutral", 1.0],
    ]
    votes.write_text("FileName,VoiceVote\n1001_DFA_ANG_XX,laughter\n")
    with pytest.raises(
        PipelineError, match=r"summaryTable.csv in data/ is not cremad's table of votes: .*laugh"
    ):
        merged(downloads, configure)


def test_the_summary_counts_every_file(downloads: Path, configure):
    assert merged(downloads, configure)[2] == {
        "cremad": {
            "clips": 2,
            "speakers": 1,
            "dropped": {},
            "quarantined": {"duplicate": 1, "pointer": 1, "unreadable": 1},
        },
        "ravdess": {
            "clips": 2,
            "speakers": 2,
            "dropped": {"calm": 1, "surprised": 1},
            "quarantined": {"duplicate": 1, "name": 1},
        },
        "tess": {
            "clips": 3,
            "speakers": 2,
            "dropped": {"pleasant surprise": 1},
            "quarantined": {"empty": 1, "short": 1, "silent": 1, "unreadable": 1},
        },
        "missing": ["savee"],
    }


def test_a_clip_is_what_the_service_would_hear(downloads: Path, configure):
    rows = merged(downloads, configure)[0].set_index("id")
    sources = {
        "ravdess-03-01-05-02-01-02-02": "ravdess/Actor_02/03-01-05-02-01-02-02.wav",
        "tess-OAF_back_angry": "tess/OAF_back_angry.wav",
        "tess-OAF_bite_neutral": "tess/OA_bite_neutral.wav",
        "cremad-1001_DFA_HAP_LO": "cremad/AudioWAV/1001_DFA_HAP_LO.wav",
    }
    for clip, source in sources.items():
        stored = decode(downloads / "merge" / rows.path[clip]).samples
        heard = decode(downloads / "download" / source).samples
        assert stored.shape == heard.shape
        assert np.abs(stored - heard).max() <= 2**-23


def test_there_is_a_file_for_each_row_and_no_other(downloads: Path, configure):
    rows = merged(downloads, configure)[0]
    files = {p.relative_to(downloads / "merge").as_posix() for p in downloads.glob("merge/clips/*/*")}
    assert files == set(rows.path)


def test_neither_a_second_run_nor_the_workers_change_anything(downloads: Path, configure):
    first = merged(downloads, configure, jobs=1)
    second = merged(downloads, configure, jobs=2)
    pd.testing.assert_frame_equal(first[0], second[0])
    pd.testing.assert_frame_equal(first[1], second[1])
    assert first[2] == second[2]


def test_a_copy_with_other_samples_is_still_a_second_copy(downloads: Path, configure, voice):
    nested = downloads / "download/ravdess/audio_speech_actors_01-24/Actor_01/03-01-03-01-01-01-01.wav"
    sf.write(nested, voice(500.0, 99, rate=48_000), 48_000)
    rows, quarantine, _ = merged(downloads, configure)
    assert (rows.id == "ravdess-03-01-03-01-01-01-01").sum() == 1
    heard = decode(downloads / "download/ravdess/Actor_01/03-01-03-01-01-01-01.wav").samples
    stored = decode(downloads / "merge/clips/ravdess/ravdess-03-01-03-01-01-01-01.flac").samples
    assert np.abs(stored - heard).max() <= 2**-23
    assert quarantine.set_index("path").reason[nested.relative_to(downloads / "download/ravdess").as_posix()]


def test_nothing_to_merge_is_an_error(tmp_path: Path, say_downloaded, configure):
    say_downloaded(tmp_path / "build", "ravdess")
    with pytest.raises(PipelineError, match="holds no clip of any corpus"):
        merge.main(configure(f"build={tmp_path / 'build'}"))
    assert not (tmp_path / "build" / "merge").exists()


def test_nothing_readable_is_an_error(tmp_path: Path, say_downloaded, configure):
    say_downloaded(tmp_path / "build", "savee")
    for name in ("DC_a01.wav", "DC_a02.wav"):
        (tmp_path / "build" / "download" / "savee" / name).write_bytes(POINTER)
    with pytest.raises(PipelineError, match="none of the 2 clips"):
        merge.main(configure(f"build={tmp_path / 'build'}", "jobs=1"))
    assert [p.name for p in (tmp_path / "build").iterdir()] == ["download"]


def test_a_download_that_has_not_run_is_named(tmp_path: Path, say_downloaded, configure):
    say_downloaded(tmp_path / "build", "ravdess")
    (tmp_path / "build" / "download" / "savee" / "source.json").unlink()
    with pytest.raises(PipelineError, match=r"savee.*run the stage 'download'"):
        merge.main(configure(f"build={tmp_path / 'build'}"))


def test_the_schema_refuses_what_does_not_fit(small_build: Path, tmp_path: Path):
    rows = table.read(small_build / "merge" / "utterances.parquet")
    for column, value in {"label": "calm", "sex": "x", "duration": 0.0, "sha256": "short"}.items():
        with pytest.raises(PipelineError, match=column):
            table.write(rows.assign(**{column: value}), table.Utterances, tmp_path / "utterances.parquet")
    for wrong in (rows.assign(extra=1), rows.drop(columns="sex"), pd.concat([rows, rows])):
        with pytest.raises(PipelineError, match="does not fit its schema"):
            table.write(wrong, table.Utterances, tmp_path / "utterances.parquet")
    assert not (tmp_path / "utterances.parquet").exists()
    with pytest.raises(PipelineError, match="run the stage"):
        table.read(tmp_path / "utterances.parquet")
