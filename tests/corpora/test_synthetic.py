import io
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import librosa
import numpy as np
import pytest
import soundfile as sf
from sklearn.metrics import recall_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from pipeline.corpora import CORPORA, Utterance, cremad, ravdess
from pipeline.corpora.synthetic import STAND_INS, clip, write
from pipeline.taxonomy import EMOTIONS

ODD = [(corpus, name) for corpus, stand_in in STAND_INS.items() for name in (*stand_in.odd, *stand_in.rates)]


def read(corpus: str) -> dict[str, Utterance]:
    return {name: CORPORA[corpus].read(PurePosixPath(name)) for name in STAND_INS[corpus].names}


def sound(data: bytes) -> tuple[np.ndarray, int]:
    return sf.read(io.BytesIO(data), dtype="int16")


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> dict[str, Path]:
    """Of each corpus the clips that are special, and a few that are not."""
    folder = tmp_path_factory.mktemp("sample")
    some = {c: tuple(dict.fromkeys((*s.odd, *s.rates, *s.again, *s.names[:4]))) for c, s in STAND_INS.items()}
    return {corpus: write(corpus, names, folder, seed=9) for corpus, names in some.items()}


def test_the_names_are_published_ones(names):
    for corpus in ("ravdess", "savee"):
        assert set(STAND_INS[corpus].names) <= set(map(str, names[corpus]))
    unlisted = {PurePosixPath(n).name for n in STAND_INS["cremad"].names} - set(cremad.registry())
    assert unlisted == {"1040_ITH_SAD_X.wav"}
    for corpus, stand_in in STAND_INS.items():
        assert len({utterance.id for utterance in read(corpus).values()}) == len(stand_in.names)


def test_every_speaker_says_every_emotion_several_times():
    total = 0
    for corpus, stand_in in STAND_INS.items():
        bad = {name for name, kind in stand_in.odd.items() if kind.__name__ in ("empty", "silent", "pointer")}
        usable = [u for name, u in read(corpus).items() if name not in bad and u.label]
        counts = Counter((u.speaker, u.label) for u in usable)
        assert len(counts) == len({u.speaker for u in usable}) * len(EMOTIONS)
        assert min(counts.values()) >= 4
        total += len(usable)
    assert total >= 500


def test_the_speakers_are_of_both_sexes_and_of_all_the_folds():
    speakers = {corpus: {(u.speaker, u.sex) for u in read(corpus).values()} for corpus in STAND_INS}
    sexes = {corpus: Counter(sex for _, sex in found) for corpus, found in speakers.items()}
    assert sexes["ravdess"] == {"female": 3, "male": 3}
    assert sexes["cremad"] == {"female": 4, "male": 4}
    assert (sexes["savee"], sexes["tess"]) == ({"male": 4}, {"female": 2})
    actors = {speaker.removeprefix("ravdess-") for speaker, _ in speakers["ravdess"]}
    assert all(actors & set(fold) for fold in ravdess.FOLDS)


def test_every_class_set_is_whole():
    for corpus, words in {"ravdess": 8, "savee": 7, "tess": 7, "cremad": 6}.items():
        assert len({u.original_label for u in read(corpus).values()}) == words


def test_the_archives_have_their_published_names_and_say_what_they_are(archives):
    for corpus, path in archives.items():
        assert path.name == CORPORA[corpus].archive
        with zipfile.ZipFile(path) as archive:
            assert b"ynthetic" in archive.read("README.txt")
            assert archive.testzip() is None
            assert CORPORA[corpus].read(PurePosixPath("README.txt")) is None


def test_clips_have_the_corpus_own_rate(archives):
    for corpus, rate in {"ravdess": 48_000, "savee": 44_100, "tess": 24_414, "cremad": 16_000}.items():
        with zipfile.ZipFile(archives[corpus]) as archive:
            normal = [n for n in archive.namelist() if n.endswith(".wav") and (corpus, n) not in ODD]
            assert len(normal) >= 3
            assert {(sf.info(io.BytesIO(archive.read(name))).samplerate) for name in normal} == {rate}


def test_some_clips_lie_in_their_archive_twice(archives):
    for corpus in ("ravdess", "savee", "tess"):
        with zipfile.ZipFile(archives[corpus]) as archive:
            found = Counter(u.id for n in archive.namelist() if (u := CORPORA[corpus].read(PurePosixPath(n))))
            copies = [(f"{STAND_INS[corpus].nested}/{name}", name) for name in STAND_INS[corpus].again]
            assert Counter(found.values())[2] == len(copies) >= 2
            assert all(archive.read(copy) == archive.read(name) for copy, name in copies)


def test_the_oddities_are_there(archives):
    def member(corpus: str, name: str) -> bytes:
        with zipfile.ZipFile(archives[corpus]) as archive:
            return archive.read(name)

    for name in STAND_INS["ravdess"].odd:
        assert sound(member("ravdess", name))[0].shape[1] == 2
    assert member("savee", "AudioData/JK/n06.wav") == b""
    assert sf.info(io.BytesIO(member("tess", "YAF_germ_angry.wav"))).format == "AIFF"
    assert sound(member("tess", "OAF_food_fear.wav"))[1] == 96_000
    assert CORPORA["tess"].read(PurePosixPath("OA_bite_neutral.wav")) in read("tess").values()
    pointer = member("cremad", "AudioWAV/1001_DFA_ANG_XX.wav")
    assert pointer.startswith(b"version https://git-lfs.github.com/spec/v1\n")
    assert len(pointer) == 130
    silence, _ = sound(member("cremad", "AudioWAV/1076_MTI_SAD_XX.wav"))
    assert len(silence) > 8000
    assert not silence.any()


def test_the_same_seed_gives_the_same_bytes(archives, tmp_path):
    for corpus in ("ravdess", "tess"):
        with zipfile.ZipFile(archives[corpus]) as archive:
            listed = tuple(n for n in archive.namelist() if n in STAND_INS[corpus].names)
        assert write(corpus, listed, tmp_path, seed=9).read_bytes() == archives[corpus].read_bytes()
        assert write(corpus, listed, tmp_path, seed=10).read_bytes() != archives[corpus].read_bytes()


def test_a_clip_is_the_same_whatever_else_is_made(archives):
    for corpus, path in archives.items():
        name = STAND_INS[corpus].names[3]
        with zipfile.ZipFile(path) as archive:
            assert clip(corpus, name, seed=9) == archive.read(name)


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="not a clip's name"):
        write("tess", ("OAF_bar_sad.wav", "OAF_bar.wav"), tmp_path, seed=9)
    assert list(tmp_path.iterdir()) == []


def test_the_four_archives_stay_below_their_limit(tmp_path):
    total = 0.0
    for corpus, stand_in in STAND_INS.items():
        some = stand_in.names[::11]
        total += write(corpus, some, tmp_path, seed=9).stat().st_size / len(some) * len(stand_in.names)
    assert 3e6 < total < 7.5e6


def test_emotions_are_learnt_from_other_speakers_but_not_perfectly():
    rows = [(n, u) for n, u in read("cremad").items() if n not in STAND_INS["cremad"].odd]
    clips = [sound(clip("cremad", name, seed=9)) for name, _ in rows]
    X = np.array([librosa.feature.mfcc(y=s / 32768, sr=rate, n_mfcc=40).mean(axis=1) for s, rate in clips])
    y, speakers = np.array([u.label for _, u in rows]), [u.speaker for _, u in rows]
    model = make_pipeline(StandardScaler(), SVC(C=3))
    guessed = cross_val_predict(model, X, y, groups=speakers, cv=GroupKFold(4))
    assert 0.3 < recall_score(y, guessed, average="macro") < 0.85  # chance: 0.17


@pytest.mark.parametrize(("given", "said"), [(["out", "--seed", "-1"], "seed"), (["file/out"], "folder")])
def test_a_wrong_call_is_told_in_a_line(given, said, tmp_path):
    (tmp_path / "file").touch()
    command = [sys.executable, "-m", "pipeline.corpora.synthetic", str(tmp_path / given[0]), *given[1:]]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert said in run.stderr
    assert "Traceback" not in run.stderr
