"""The four corpora together: counts, identities, and what all readers refuse or pass over."""

from collections import Counter
from pathlib import PurePosixPath

import pytest

from pipeline.corpora import CORPORA, Utterance
from pipeline.taxonomy import EMOTIONS


@pytest.fixture(scope="module")
def utterances(names: dict[str, list[PurePosixPath]]) -> list[Utterance]:
    read = [CORPORA[corpus].read(path) for corpus, paths in names.items() for path in paths]
    return [utterance for utterance in read if utterance is not None]


def test_every_published_clip_is_read(names, utterances):
    assert {name: len(paths) for name, paths in names.items()} == {n: c.clips for n, c in CORPORA.items()}
    assert len(utterances) == 12_162
    assert len({utterance.id for utterance in utterances}) == 12_162
    assert len({utterance.speaker for utterance in utterances}) == 24 + 4 + 2 + 91


def test_the_classes_in_common_have_the_known_numbers_of_clips(utterances):
    labels = Counter(utterance.label for utterance in utterances)
    assert labels.pop(None) == 12_162 - 11_318
    assert labels == {emotion: 1703 if emotion == "neutral" else 1923 for emotion in EMOTIONS}
    assert sum(labels[emotion] for emotion in ("anger", "happy", "neutral", "sad")) == 7472


def test_ids_and_speakers_say_their_corpus(names):
    for corpus, paths in names.items():
        utterance = CORPORA[corpus].read(paths[0])
        assert utterance.id.startswith(f"{corpus}-")
        assert utterance.speaker.startswith(f"{corpus}-")


def test_commerce_is_allowed_where_the_licence_does():
    assert {name for name, corpus in CORPORA.items() if corpus.commercial} == {"cremad"}
    assert all(
        "NC" in corpus.licence or "research" in corpus.licence or corpus.commercial
        for corpus in CORPORA.values()
    )


def test_a_speaker_has_one_sex(utterances):
    sexes = {(utterance.speaker, utterance.sex) for utterance in utterances}
    assert Counter(sex for _, sex in sexes) == {"female": 12 + 2 + 43, "male": 12 + 4 + 48}


@pytest.mark.parametrize("corpus", list(CORPORA))
def test_a_nested_second_copy_and_capital_letters_give_the_same_utterance(corpus, names):
    for path in names[corpus][::97]:
        utterance = CORPORA[corpus].read(path)
        assert CORPORA[corpus].read("some copy" / path) == utterance
        assert CORPORA[corpus].read(path.with_suffix(".WAV")) == utterance


@pytest.mark.parametrize("corpus", list(CORPORA))
def test_what_is_no_recording_is_passed_over(corpus, names):
    clip = names[corpus][0]
    junk = [
        clip.with_name("._" + clip.name),
        "__MACOSX" / clip,
        clip.with_name(".DS_Store"),
        clip.with_name("Info.txt"),
        clip.with_suffix(".csv"),
    ]
    assert [CORPORA[corpus].read(path) for path in junk] == [None] * len(junk)


@pytest.mark.parametrize("corpus", list(CORPORA))
def test_a_broken_name_is_refused_by_name(corpus, names):
    clip = names[corpus][0]
    for stem in ("x", clip.stem + "-copy", clip.stem + " (1)", clip.stem[1:], clip.stem + "\n"):
        with pytest.raises(ValueError, match=f"^{corpus}: "):
            CORPORA[corpus].read(PurePosixPath("folder", stem + ".wav"))
