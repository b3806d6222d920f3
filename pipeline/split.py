"""Split: which clips a model learns from, is chosen by and is tested on; before anything is augmented."""

import hashlib
import json
import logging
from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from pipeline import table
from pipeline.config import Config, Protocol
from pipeline.corpora import CORPORA, ravdess
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


def numbered(clips: pd.DataFrame, protocol: Protocol, seed: int) -> NDArray[np.int64]:
    """Return in which fold each clip of one corpus is tested, -1 for those that are in none.

    RAVDESS keeps EmoBox's folds where there are as many, so that its numbers can be laid beside published
    ones.
    """
    if protocol.folds == 1:
        return np.where(hold_out(clips, protocol.test or 0, protocol, seed), 0, -1)
    if protocol.folds == "each":
        return np.asarray(pd.factorize(clips.speaker, sort=True)[0])
    if clips.corpus.iloc[0] == "ravdess" and protocol.folds == len(ravdess.FOLDS):
        fold_of = {f"ravdess-{actor}": i for i, fold in enumerate(ravdess.FOLDS) for actor in fold}
        return np.asarray(clips.speaker.map(fold_of), dtype=np.int64)
    return groups(clips, min(int(protocol.folds), clips.speaker.nunique()), seed)


def hold_out(clips: pd.DataFrame, share: float, protocol: Protocol, seed: int) -> NDArray[np.bool_]:
    """Choose about `share` of a corpus's speakers, at least one of two; or of its clips, labels alike."""
    if protocol.unit == "clips":
        try:
            _, chosen = train_test_split(clips.id, test_size=share, stratify=clips.label, random_state=seed)
        except ValueError as error:
            raise PipelineError(
                f"the clips of {clips.corpus.iloc[0]} cannot be divided in proportion to their labels: "
                f"{error} Add recordings, or choose fewer classes (taxonomy)"
            ) from None
        return np.asarray(clips.id.isin(chosen))
    n = min(round(1 / share), clips.speaker.nunique())
    if n < 2:
        return np.zeros(len(clips), dtype=bool)
    return np.asarray(groups(clips, n, seed) == 0)


def parts(clips: pd.DataFrame, tested: pd.Series, protocol: Protocol, seed: int) -> pd.Series:
    """Return the part of each clip of a fold that tests some of them; None for what it leaves out.

    A share of each corpus that may be in validation is set aside; where none of them is at hand, of those
    that are learned from. Whatever may not be learned from has no other use, and is set aside whole.
    """
    part = pd.Series(None, index=clips.index, dtype=object)
    part[tested] = "test"
    rest = clips[~tested]
    part[rest.index[rest.corpus.isin(protocol.may("validation"))]] = "validation"
    part[rest.index[rest.corpus.isin(protocol.may("training"))]] = "training"
    lent = protocol.may("validation" if rest.corpus.isin(protocol.may("validation")).any() else "training")
    for corpus, own in rest.groupby("corpus"):
        if corpus in lent and corpus in protocol.may("training"):
            part[own.index[hold_out(own, protocol.validation, protocol, seed)]] = "validation"
    return part


def two_speakers(clips: pd.DataFrame, protocol: Protocol) -> None:
    """Refuse to divide by speaker a corpus that has but one.

    Raises
    ------
    PipelineError
    """
    if clips.speaker.nunique() < 2:
        raise PipelineError(
            f"the corpus {clips.corpus.iloc[0]} has one speaker, {clips.speaker.iloc[0]}, who cannot be in "
            "training and test at once: add recordings of another, let it be in training only in "
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
        `pipeline.table.Splits`: a row a clip and fold; no row for what a fold leaves out.

    Raises
    ------
    PipelineError
        Where nothing at hand is to be tested, or a corpus has too few speakers or clips to be divided.
    """
    clips = utterances[utterances.corpus.isin(list(protocol.corpora))]
    clips = clips.sort_values("id", ignore_index=True)  # the same clips in another order are the same data
    number = pd.Series(-1, index=clips.index)
    for position, corpus in enumerate(protocol.may("test")):
        own = clips[clips.corpus == corpus]
        if own.empty:
            log.warning("%s is not at hand: %s goes on without testing it", corpus, protocol.name)
        elif protocol.unit == "corpora":
            number[own.index] = position
        else:
            if protocol.unit == "speakers":
                two_speakers(own, protocol)
            number[own.index] = numbered(own, protocol, seed)
    # A fold that tests nobody (actors who are not in the data) is no fold.
    tested = sorted(set(number) - {-1})
    if not tested:
        raise PipelineError(
            f"the protocol {protocol.name} tests {', '.join(protocol.may('test'))}, of which nothing is at "
            f"hand: put {archives(protocol.may('test'))} into data/, or choose another protocol"
        )
    if isinstance(protocol.folds, int) and (lost := set(range(protocol.folds)) - set(tested)):
        log.warning("folds %s of %d test nobody at hand and fall away", sorted(lost), protocol.folds)
    folds = []
    for fold, original in enumerate(tested):
        part = parts(clips, number == original, protocol, seed + original)
        folds.append(pd.DataFrame({"fold": fold, "id": clips.id, "part": part})[part.notna()])
    return pd.concat(folds, ignore_index=True)


def archives(corpora: Iterable[str]) -> str:
    """Name the archives of some corpora, as they are called in data/."""
    return " or ".join(CORPORA[corpus].archive for corpus in corpora)


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
                absent = archives(sorted(set(protocol.corpora) - set(utterances.corpus)))
                more = f" ({absent})" if absent else ""
                raise PipelineError(
                    f"fold {fold} has no clip of {', '.join(lacking)} in {part}: put recordings of more "
                    f"speakers into data/{more}, or choose another protocol than {protocol.name!r} or fewer "
                    "classes (taxonomy)"
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
