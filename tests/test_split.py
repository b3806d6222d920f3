import json
from itertools import product
from pathlib import Path

import pandas as pd
import pytest

from pipeline import split, table
from pipeline.corpora import ravdess
from pipeline.stage import ROOT, PipelineError
from pipeline.taxonomy import EMOTIONS

SPEAKERS = {
    "ravdess": [f"{number:02}" for number in range(1, 25)],
    "savee": ["DC", "JE", "JK", "KL"],
    "tess": ["OAF", "YAF"],
    "cremad": [str(number) for number in range(1001, 1092)],
}
# Clips per speaker and class in the published corpora; neutral apart.
SIZES = {"ravdess": (8, 4), "savee": (15, 30), "tess": (200, 200), "cremad": (14, 12)}
WHOLE = dict(zip(SPEAKERS, map(len, SPEAKERS.values()), strict=True))
SETS = {
    "four corpora": WHOLE | {"cremad": 24},
    "ravdess and tess": {"ravdess": 24, "tess": 2},
    "cremad": {"cremad": 91},
    "savee": {"savee": 4},
    "the stand-in": {"ravdess": 6, "savee": 4, "tess": 2, "cremad": 6},
    "three speakers": {"cremad": 3},
}


def table_of(corpora: dict[str, int], classes: tuple[str, ...] = EMOTIONS) -> pd.DataFrame:
    """Make up the utterance table of the first speakers of some corpora."""
    rows = []
    for corpus, count in corpora.items():
        for index, name in enumerate(SPEAKERS[corpus][:count]):
            sex = {"savee": "male", "tess": "female"}.get(corpus, ["male", "female"][index % 2])
            for label in classes:
                clips = SIZES[corpus][label == "neutral"]
                rows += [
                    {
                        "id": f"{corpus}-{name}-{label}-{take:03}",
                        "corpus": corpus,
                        "speaker": f"{corpus}-{name}",
                        "sex": sex,
                        "label": label,
                        "sha256": f"{corpus}{name}{label}{take}".ljust(64, "0"),
                    }
                    for take in range(clips)
                ]
    return pd.DataFrame(rows)


def divided(configure, clips: pd.DataFrame, protocol: str, seed: int = 9, *overrides: str) -> pd.DataFrame:
    return split.splits(clips, configure(f"protocol={protocol}", *overrides).protocol, seed)


def joined(splits: pd.DataFrame, clips: pd.DataFrame) -> pd.DataFrame:
    return splits.merge(clips, on="id", validate="many_to_one")


PROTOCOLS = sorted(file.stem for file in (ROOT / "conf" / "protocol").glob("*.yaml"))
IMPOSSIBLE = {  # what each protocol makes of the sets that lack what it tests or learns from
    ("ravdess and tess", "savee_speakers"): "AudioData.zip into data/",
    ("cremad", "corpora"): "no clip of .* in training",
    ("cremad", "emobox"): "Audio_Speech_Actors_01-24.zip into data/",
    ("cremad", "savee_speakers"): "AudioData.zip into data/",
    ("cremad", "tess_speakers"): "TESS.zip into data/",
    ("savee", "corpora"): "no clip of .* in training",
    ("savee", "emobox"): "Audio_Speech_Actors_01-24.zip into data/",
    ("savee", "tess_speakers"): "TESS.zip into data/",
    ("three speakers", "corpora"): "no clip of .* in training",
    ("three speakers", "emobox"): "Audio_Speech_Actors_01-24.zip into data/",
    ("three speakers", "savee_speakers"): "AudioData.zip into data/",
    ("three speakers", "tess_speakers"): "TESS.zip into data/",
}
CASES = [case for case in product(SETS, PROTOCOLS) if case not in IMPOSSIBLE]


@pytest.mark.parametrize(("name", "protocol"), CASES)
@pytest.mark.parametrize("seed", [0, 9])
def test_what_holds_of_every_split(configure, name: str, protocol: str, seed: int):
    clips = table_of(SETS[name])
    cfg = configure(f"protocol={protocol}")
    splits = split.splits(clips, cfg.protocol, seed)
    split.check(splits, clips, cfg.protocol, EMOTIONS)
    rows = joined(splits, clips)
    assert set(rows.id) == set(clips.id[clips.corpus.isin(list(cfg.protocol.corpora))])
    assert not rows.duplicated(["fold", "id"]).any()
    assert not rows[rows.part == "test"].duplicated("id").any()
    assert (rows.groupby(["fold", "part"]).label.nunique() == len(EMOTIONS)).all()
    assert (rows.groupby("fold").part.nunique() == 3).all()
    assert sorted(rows.fold.unique()) == list(range(rows.fold.nunique()))
    shared = rows.groupby(["fold", "speaker"]).part.nunique() > 1
    assert shared.any() == cfg.protocol.shares_speakers
    for part in ("training", "test"):
        assert set(rows.corpus[rows.part == part]) <= set(cfg.protocol.may(part))


@pytest.mark.parametrize(("name", "protocol"), IMPOSSIBLE)
def test_what_a_protocol_lacks_is_named(configure, name: str, protocol: str):
    clips = table_of(SETS[name])
    cfg = configure(f"protocol={protocol}")
    with pytest.raises(PipelineError, match=IMPOSSIBLE[name, protocol]) as refused:
        split.check(split.splits(clips, cfg.protocol, 9), clips, cfg.protocol, EMOTIONS)
    assert protocol in str(refused.value)
    assert "data/" in str(refused.value)


def whom_each_fold_tests(rows: pd.DataFrame, column: str) -> list[set[str]]:
    """Return what each fold tests."""
    return [set(fold[column][fold.part == "test"]) for _, fold in rows.groupby("fold")]


def test_each_man_of_savee_is_tested_after_learning_from_the_other_three(configure):
    clips = table_of(WHOLE)
    rows = joined(divided(configure, clips, "savee_speakers"), clips)
    men = [f"savee-{name}" for name in SPEAKERS["savee"]]
    assert whom_each_fold_tests(rows, "speaker") == [{man} for man in men]
    for man, (_, fold) in zip(men, rows.groupby("fold"), strict=True):
        heard = fold[fold.part == "training"]
        assert set(heard.speaker[heard.corpus == "savee"]) == {*men} - {man}
        assert set(heard.corpus) == set(WHOLE)
        assert set(fold.corpus[fold.part == "validation"]) == {"ravdess", "cremad"}
    alone = table_of(SETS["savee"])
    parts = joined(divided(configure, alone, "savee_speakers"), alone).groupby(["fold", "part"])
    assert parts.speaker.nunique().unstack().to_dict("list") == {
        "test": [1] * 4,
        "training": [2] * 4,
        "validation": [1] * 4,
    }


@pytest.mark.parametrize("helps", [False, True])
def test_one_woman_of_tess_to_the_other_and_back(configure, helps: bool):
    clips = table_of({"ravdess": 24, "tess": 2})
    both = ["protocol.corpora.ravdess=[training,validation]"] if helps else []
    rows = joined(divided(configure, clips, "tess_speakers", 9, *both), clips)
    assert whom_each_fold_tests(rows, "speaker") == [{"tess-OAF"}, {"tess-YAF"}]
    for other, (_, fold) in zip(("tess-YAF", "tess-OAF"), rows.groupby("fold"), strict=True):
        heard = set(fold.speaker[fold.part == "training"])
        assert heard & {"tess-OAF", "tess-YAF"} == {other}
        actors = fold[fold.corpus == "ravdess"].groupby("part").speaker.nunique().to_dict()
        assert actors == ({"training": 20, "validation": 4} if helps else {"validation": 24})


def test_tess_alone_leaves_nobody_to_validate(configure):
    clips = table_of({"tess": 2})
    cfg = configure("protocol=tess_speakers")
    splits = split.splits(clips, cfg.protocol, 9)
    with pytest.raises(
        PipelineError, match=r"in validation: put .* into data/ \(AudioWAV.zip or Audio_Speech"
    ):
        split.check(splits, clips, cfg.protocol, EMOTIONS)


def test_each_corpus_is_tested_by_what_the_others_taught(configure, caplog: pytest.LogCaptureFixture):
    clips = table_of({"ravdess": 24, "cremad": 91, "tess": 2})
    rows = joined(divided(configure, clips, "corpora"), clips)
    assert whom_each_fold_tests(rows, "corpus") == [{"ravdess"}, {"cremad"}, {"tess"}]
    assert "savee is not at hand" in caplog.text
    for _, fold in rows.groupby("fold"):
        (corpus,) = set(fold.corpus[fold.part == "test"])
        assert set(fold.part[fold.corpus == corpus]) == {"test"}
        assert set(fold.corpus[fold.part == "training"]) == {"ravdess", "cremad", "tess"} - {corpus}
        assert "tess" not in set(fold.corpus[fold.part == "validation"])


@pytest.mark.parametrize("corpora", SETS.values(), ids=list(SETS))
@pytest.mark.parametrize("seed", range(5))
def test_folds_test_each_speaker_once(configure, corpora: dict[str, int], seed: int):
    clips = table_of(corpora)
    rows = joined(divided(configure, clips, "folds", seed), clips)
    tested = rows[rows.part == "test"].groupby("speaker").fold.nunique()
    assert set(tested.index) == set(clips.speaker[clips.corpus != "tess"])
    assert (tested == 1).all()
    assert set(rows.part[rows.corpus == "tess"]) <= {"training"}
    assert rows.groupby("fold").size().eq(len(clips)).all()


@pytest.mark.parametrize("protocol", ["folds", "emobox"])
@pytest.mark.parametrize("seed", [0, 9])
def test_ravdess_keeps_emobox_s_folds(configure, protocol: str, seed: int):
    clips = table_of(WHOLE)
    rows = joined(divided(configure, clips, protocol, seed), clips)
    rows = rows[(rows.corpus == "ravdess") & (rows.part == "test")]
    folds = [
        tuple(sorted(s.removeprefix("ravdess-") for s in set(g.speaker))) for _, g in rows.groupby("fold")
    ]
    assert folds == list(ravdess.FOLDS)


def test_without_the_actors_of_a_fold_there_is_no_such_fold(configure, caplog: pytest.LogCaptureFixture):
    clips = table_of({"ravdess": 24, "tess": 2})
    clips = clips[~clips.speaker.isin([f"ravdess-{a}" for a in ravdess.FOLDS[5]])]
    rows = joined(divided(configure, clips, "folds"), clips)
    assert rows.fold.nunique() == 5
    assert (rows[rows.part == "test"].groupby("fold").speaker.nunique() == 4).all()
    assert "folds [5] of 6 test nobody at hand" in caplog.text


@pytest.mark.parametrize("seed", range(5))
def test_speakers_are_held_out_in_proportion(configure, seed: int):
    clips = table_of(WHOLE)
    rows = joined(divided(configure, clips, "speakers", seed), clips)
    heads = rows.groupby(["corpus", "part"]).speaker.nunique().unstack(fill_value=0)
    assert heads.loc["cremad", "test"] == pytest.approx(0.2 * 91, abs=2)
    assert heads.loc["cremad", "validation"] == pytest.approx(0.15 * 91, abs=2)
    assert heads.loc["ravdess", "test"] == pytest.approx(0.2 * 24, abs=1)
    assert heads.loc["ravdess", "validation"] == pytest.approx(0.15 * 24, abs=1)
    assert heads.loc["savee"].to_dict() == {"training": 2, "validation": 1, "test": 1}
    assert heads.loc["tess"].to_dict() == {"training": 2, "validation": 0, "test": 0}
    for corpus in ("ravdess", "cremad"):  # as many women as men, as in the corpus
        test = rows[(rows.corpus == corpus) & (rows.part == "test")].drop_duplicates("speaker")
        assert abs((test.sex == "female").mean() - 0.5) <= 1 / len(test) + 1e-9


@pytest.mark.parametrize("seed", [0, 9])
def test_clips_takes_a_quarter_of_each_label_of_each_corpus(configure, seed: int):
    clips = table_of(WHOLE)
    rows = joined(divided(configure, clips, "clips", seed), clips)
    whole = rows.groupby(["corpus", "label"]).size()
    for part, share in {"test": 0.25, "validation": 0.15}.items():
        taken = rows[rows.part == part].groupby(["corpus", "label"]).size()
        assert taken.index.equals(whole.index)
        assert (taken - share * whole).abs().max() <= 1.5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_the_table_does_not_matter_and_the_seed_does(configure, protocol: str):
    clips = table_of(SETS["four corpora"])
    first = divided(configure, clips, protocol)
    for shuffle in (1, 2):
        mixed = clips.sample(frac=1, random_state=shuffle, ignore_index=True)
        pd.testing.assert_frame_equal(divided(configure, mixed, protocol), first)
    nothing_is_drawn = protocol == "tess_speakers"
    assert divided(configure, clips, protocol, 10).equals(first) == nothing_is_drawn


def test_the_digest_names_the_division_of_the_data(configure):
    clips = table_of({"ravdess": 24, "tess": 2})
    splits = divided(configure, clips, "speakers")
    name = split.digest(splits, clips)
    assert len(name) == 64
    mixed = splits.sample(frac=1, random_state=1), clips.sample(frac=1, random_state=2)
    assert split.digest(*mixed) == name
    assert split.digest(splits, clips.assign(path="elsewhere", duration=2.0)) == name
    moved = splits.assign(part=splits.part.where(splits.index > 0, "validation"))
    assert not moved.equals(splits)
    assert split.digest(moved, clips) != name
    changed = clips.assign(sha256=clips.sha256.where(clips.index > 0, "f" * 64))
    assert split.digest(splits, changed) != name
    relabelled = clips.assign(label=clips.label.where(clips.index > 0, "fear"))
    assert split.digest(splits, relabelled) != name
    assert split.digest(divided(configure, clips, "speakers", 10), clips) != name


@pytest.mark.parametrize("protocol", ["speakers", "folds"])
def test_a_corpus_with_one_speaker_is_refused(configure, protocol: str):
    clips = table_of({"ravdess": 24, "cremad": 1})
    with pytest.raises(PipelineError, match=r"cremad has one speaker, cremad-1001") as refused:
        divided(configure, clips, protocol)
    assert f"training only in conf/protocol/{protocol}.yaml" in str(refused.value)
    assert set(divided(configure, clips, "clips").part) == {"training", "validation", "test"}


@pytest.mark.parametrize("protocol", ["speakers", "folds"])
def test_only_corpora_that_are_not_to_be_tested_are_refused(configure, protocol: str):
    with pytest.raises(
        PipelineError, match=f"the protocol {protocol} tests ravdess, savee, cremad, of which"
    ):
        divided(configure, table_of({"tess": 2}), protocol)


def test_two_speakers_leave_none_to_validate(configure):
    clips = table_of({"cremad": 2})
    splits = divided(configure, clips, "speakers")
    assert set(splits.part) == {"training", "test"}
    with pytest.raises(PipelineError, match=r"fold 0 has no clip of anger, .* in validation"):
        split.check(splits, clips, configure("protocol=speakers").protocol, EMOTIONS)


def test_a_class_that_a_part_lacks_is_named(configure):
    clips = table_of({"ravdess": 24})
    clips = clips[(clips.label != "fear") | (clips.speaker == "ravdess-01")]
    cfg = configure("protocol=speakers")
    splits = split.splits(clips, cfg.protocol, 9)
    with pytest.raises(PipelineError, match=r"has no clip of fear in .*taxonomy"):
        split.check(splits, clips, cfg.protocol, EMOTIONS)


def test_a_class_with_too_few_clips_for_three_parts_is_named(configure):
    clips = table_of({"ravdess": 24})
    rare = clips[clips.label == "fear"].index[1:]
    with pytest.raises(PipelineError, match=r"the clips of ravdess .*fear.*taxonomy"):
        divided(configure, clips.drop(rare), "clips")


def test_a_speaker_in_two_parts_is_refused(configure):
    clips = table_of({"ravdess": 24})
    cfg = configure("protocol=speakers")
    splits = split.splits(clips, cfg.protocol, 9)
    test = splits.index[splits.part == "test"][0]
    splits.loc[test, "part"] = "training"
    speaker = clips.set_index("id").speaker[splits.id[test]]
    with pytest.raises(PipelineError, match=f"two parts at once: .*{speaker}"):
        split.check(splits, clips, cfg.protocol, EMOTIONS)


def test_the_stage(small_build: Path, configure):
    splits = table.read(small_build / "split" / "splits.parquet")
    summary = json.loads((small_build / "split" / "summary.json").read_text())
    utterances = table.read(small_build / "merge" / "utterances.parquet")
    assert summary["digest"] == split.digest(splits, utterances)
    assert (summary["protocol"], summary["taxonomy"], summary["shares_speakers"]) == (
        "speakers",
        "six",
        False,
    )
    assert summary["classes"] == list(EMOTIONS)
    assert {row["part"]: row["speakers"] for row in summary["counts"]} == {
        "training": 3,
        "validation": 1,
        "test": 1,
    }


def test_the_stage_takes_the_classes_of_the_taxonomy(small_build: Path, tmp_path: Path, configure):
    (tmp_path / "merge").symlink_to(small_build / "merge")
    split.main(configure(f"build={tmp_path}", "taxonomy=four"))
    labels = table.read(small_build / "merge" / "utterances.parquet").set_index("id").label
    assert set(labels[table.read(tmp_path / "split" / "splits.parquet").id]) == {
        "anger",
        "happy",
        "neutral",
        "sad",
    }
