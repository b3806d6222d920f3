"""Split: which clips a model learns from, is chosen by and is tested on; before anything is augmented."""

import hashlib
import json
import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from pipeline import table
from pipeline.config import Config, Protocol
from pipeline.corpora import ravdess
from pipeline.stage import PipelineError, output, stage
from pipeline.taxonomy import Node

log = logging.getLogger("split")


def groups(clips: pd.DataFrame, n: int, seed: int) -> NDArray[np.int64]:
    """Divide a corpus's speakers into `n` groups of like size, labels and sexes; a number per clip."""
    number = np.zeros(len(clips), dtype=np.int64)
    splitter = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    for i, (_, held_out) in enumerate(splitter.split(clips, clips.label + clips.sex, clips.speaker)):
        number[held_out] = i
    return number


def hold_out(clips: pd.DataFrame, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Choose about `fraction` of a corpus's speakers, at least one, and leave at least one."""
    n = min(round(1 / fraction), clips.speaker.nunique())
    if n < 2:
        return np.zeros(len(clips), dtype=bool)
    return np.asarray(groups(clips, n, seed) == 0)


def by_speaker(clips: pd.DataFrame, protocol: Protocol, seed: int) -> pd.Series:
    """Give each speaker of one corpus to one part."""
    part = pd.Series("training", index=clips.id)
    test = hold_out(clips, protocol.test, seed)
    rest = clips[~test]
    part[test] = "test"
    part[rest.id[hold_out(rest, protocol.validation / (1 - protocol.test), seed)]] = "validation"
    return part


def by_clip(clips: pd.DataFrame, protocol: Protocol, seed: int) -> pd.Series:
    """Give each clip of one corpus to one part at random, labels in proportion."""
    share = protocol.validation / (1 - protocol.test)
    try:
        rest, test = train_test_split(clips, test_size=protocol.test, stratify=clips.label, random_state=seed)
        _, validation = train_test_split(rest, test_size=share, stratify=rest.label, random_state=seed)
    except ValueError as error:
        raise PipelineError(
            f"the clips of {clips.corpus.iloc[0]} cannot be divided in proportion to their labels: {error} "
            "Add recordings, or choose fewer classes (taxonomy)"
        ) from None
    part = pd.Series("training", index=clips.id)
    part[validation.id], part[test.id] = "validation", "test"
    return part


def by_fold(clips: pd.DataFrame, protocol: Protocol, seed: int) -> Iterator[pd.Series]:
    """Yield, for each fold, the parts of one corpus: each speaker is tested in one fold.

    RAVDESS keeps EmoBox's folds, so that its numbers can be laid beside published ones.
    """
    if clips.corpus.iloc[0] == "ravdess":
        fold_of = {f"ravdess-{actor}": i for i, fold in enumerate(ravdess.FOLDS) for actor in fold}
        number = clips.speaker.map(fold_of).to_numpy()
    else:
        number = groups(clips, min(protocol.folds, clips.speaker.nunique()), seed)
    for fold in range(protocol.folds):
        part = pd.Series("training", index=clips.id)
        test = number == fold
        rest = clips[~test]
        part[test] = "test"
        part[rest.id[hold_out(rest, protocol.validation, seed + fold)]] = "validation"
        yield part


def two_speakers(clips: pd.DataFrame, protocol: Protocol) -> None:
    """Refuse to divide by speaker a corpus that has but one.

    Raises
    ------
    PipelineError
    """
    if clips.speaker.nunique() < 2:
        raise PipelineError(
            f"the corpus {clips.corpus.iloc[0]} has one speaker, {clips.speaker.iloc[0]}, who cannot be in "
            "training and test at once: add recordings of another, name it in training_only of "
            f"conf/protocol/{protocol.name}.yaml, or choose protocol: clips"
        )


def splits(utterances: pd.DataFrame, protocol: Protocol, seed: int) -> pd.DataFrame:
    """Divide the clips of a table by a protocol.

    Parameters
    ----------
    utterances : DataFrame
        Of the classes to be told apart only.
    protocol : Protocol
    seed : int

    Returns
    -------
    DataFrame
        `pipeline.table.Splits`: a row a clip and fold.
    """
    utterances = utterances.sort_values("id")  # the same clips in another order are the same data
    helping = utterances.corpus.isin(protocol.training_only)
    corpora = [clips for _, clips in utterances[~helping].groupby("corpus")]
    if protocol.name == "clips":
        folds = [[by_clip(clips, protocol, seed) for clips in corpora]]
    else:
        for clips in corpora:
            two_speakers(clips, protocol)
        if protocol.name == "speakers":
            folds = [[by_speaker(clips, protocol, seed) for clips in corpora]]
        else:
            by_corpus = [by_fold(clips, protocol, seed) for clips in corpora]
            folds = [list(parts) for parts in zip(*by_corpus, strict=True)]
    # A fold that tests nobody (actors who are not in the data) is no fold.
    folds = [parts for parts in folds if any("test" in set(part) for part in parts)]
    if not folds:
        raise PipelineError(
            f"no corpus at hand is to be tested: conf/protocol/{protocol.name}.yaml names them all in "
            "training_only"
        )
    only_heard = pd.Series("training", index=utterances.id[helping])
    tested = [pd.concat([*parts, only_heard]) for parts in folds]
    return pd.concat(
        [
            pd.DataFrame({"fold": fold, "id": parts.index, "part": parts.to_numpy()})
            for fold, parts in enumerate(tested)
        ],
        ignore_index=True,
    )


def check(
    splits: pd.DataFrame, utterances: pd.DataFrame, protocol: Protocol, classes: tuple[str, ...]
) -> None:
    """Refuse a split in which a part lacks a class, or in which a speaker is in two that are to be apart.

    Raises
    ------
    PipelineError
    """
    joined = splits.merge(utterances[["id", "label", "speaker"]], on="id")
    for fold, rows in joined.groupby("fold"):
        for part in ("training", "validation", "test"):
            if lacking := sorted(set(classes) - set(rows[rows.part == part].label)):
                raise PipelineError(
                    f"fold {fold} has no clip of {', '.join(lacking)} in {part}: add recordings of more "
                    f"speakers, or choose another protocol than {protocol.name!r} or fewer classes (taxonomy)"
                )
    parts = joined.groupby(["fold", "speaker"]).part.nunique()
    if not protocol.shares_speakers and (parts > 1).any():
        raise PipelineError(f"these speakers are in two parts at once: {sorted(parts[parts > 1].index)}")


def digest(splits: pd.DataFrame, utterances: pd.DataFrame) -> str:
    """Return a sha256 over which content is in which part: the name of this division of this data."""
    rows = splits.merge(utterances[["id", "label", "sha256"]], on="id").sort_values(["fold", "sha256"])
    text = rows[["fold", "part", "label", "sha256"]].to_csv(index=False)
    return hashlib.sha256(text.encode()).hexdigest()


def main(cfg: Config) -> None:
    """Read build/merge, write build/split."""
    utterances = table.read(cfg.build / "merge" / "utterances.parquet")
    classes = Node.read(cfg.taxonomy.tree).classes
    utterances = utterances[utterances.label.isin(classes)].reset_index(drop=True)
    divided = splits(utterances, cfg.protocol, cfg.seed)
    check(divided, utterances, cfg.protocol, classes)
    joined = divided.merge(utterances[["id", "corpus", "speaker"]], on="id")
    counts = joined.groupby(["fold", "part", "corpus"]).agg(
        clips=("id", "size"), speakers=("speaker", "nunique")
    )
    log.info("%s:\n%s", cfg.protocol.name, counts.unstack("corpus", fill_value=0).to_string())
    with output(cfg.build / "split") as folder:
        table.write(divided, table.Splits, folder / "splits.parquet")
        summary = {
            "protocol": cfg.protocol.name,
            "shares_speakers": cfg.protocol.shares_speakers,
            "taxonomy": cfg.taxonomy.name,
            "classes": classes,
            "digest": digest(divided, utterances),
            "counts": counts.reset_index().to_dict("records"),
        }
        (folder / "summary.json").write_text(json.dumps(summary, indent=2))


app = stage(main)

if __name__ == "__main__":
    app()
