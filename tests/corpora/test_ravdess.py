from collections import Counter
from pathlib import PurePosixPath

import pytest

from pipeline.corpora import Archive, Utterance, ravdess


def test_a_name_says_everything():
    assert ravdess.read(PurePosixPath("Actor_12/03-01-06-02-02-01-12.wav")) == Utterance(
        id="ravdess-03-01-06-02-02-01-12",
        speaker="ravdess-12",
        sex="female",
        original_label="fearful",
        label="fear",
        intensity="strong",
        sentence="02",
        take=1,
    )


def test_every_emotion_but_neutral_has_192_clips(names):
    labels = Counter(ravdess.read(path).original_label for path in names["ravdess"])
    assert labels.pop("neutral") == 96
    assert labels == dict.fromkeys(("calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"), 192)


def test_calm_and_surprise_are_left_out(names):
    read = [ravdess.read(path) for path in names["ravdess"]]
    assert {u.original_label for u in read if u.label is None} == {"calm", "surprised"}


@pytest.mark.parametrize(
    "name",
    [
        "03-02-03-01-01-01-01",  # a song
        "01-01-03-01-01-01-01",  # a video
        "03-01-09-01-01-01-01",
        "03-01-01-02-01-01-01",  # neutral and strong
        "03-01-03-03-01-01-01",
        "03-01-03-01-01-01-25",
        "03-01-03-01-01-01-00",
        "03-01-03-01-01-01",
    ],
)
def test_codes_that_no_speech_clip_has_are_refused(name):
    with pytest.raises(ValueError, match=name):
        ravdess.read(PurePosixPath("Actor_01", name + ".wav"))


def test_the_folds_hold_every_actor_once(names):
    assert [len(fold) for fold in ravdess.FOLDS] == [4] * 6
    actors = Counter(f"ravdess-{actor}" for fold in ravdess.FOLDS for actor in fold)
    assert actors == Counter({ravdess.read(path).speaker: 1 for path in names["ravdess"]})


def test_the_archive_is_the_published_one():
    assert isinstance(ravdess.CORPUS.source, Archive)
    assert ravdess.CORPUS.source.url.endswith(f"/{ravdess.CORPUS.archive}")
    assert ravdess.CORPUS.source.known_hash == "md5:bc696df654c87fed845eb13823edef8a"
    assert ravdess.CORPUS.source.size == 208_468_073
