"""The model card: what a registered version is, learned from, can do and must not be used for, in Markdown.

After Mitchell et al. 2019, "Model cards for model reporting", doi:10.1145/3287560.3287596. The words are in
``card.md.j2``; here is what is counted for it. Nothing stands in a card that was not found in the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipeline import bootstrap, evaluation
from pipeline.config import Protocol
from pipeline.corpora import CORPORA
from pipeline.detector import DEMONSTRATION
from pipeline.taxonomy import EMOTIONS, Node

WORDS = Path(__file__).with_name("card.md.j2")
TITLES = {"uar": "UAR", "accuracy": "accuracy", "macro_f1": "macro F1"}


@dataclass(frozen=True)
class Subject:
    """What a card is about.

    Attributes
    ----------
    name, version, date : str
        Of the registered model; the day on which it was trained.
    facts : mapping
        ``run.json`` of the train stage.
    report : mapping
        ``metrics.json`` of the train stage.
    predictions : DataFrame
        See `pipeline.evaluation`.
    learned : DataFrame
        The clips that the version learned from: ``id, source`` (see `pipeline.learning.Data`), ``corpus,
        speaker, sex``.
    tree : mapping
        The taxonomy's, in the notation of conf/taxonomy.
    protocol : Protocol
    differences : list of dict
        Those of `pipeline.compare.differences` that are about this model.
    listeners : list of dict
        The rows of `pipeline.compare.listeners`.
    """

    name: str
    version: str
    date: str
    facts: Mapping[str, Any]
    report: Mapping[str, Any]
    predictions: pd.DataFrame
    learned: pd.DataFrame
    tree: Mapping[str, Any]
    protocol: Protocol
    differences: list[dict[str, Any]]
    listeners: list[dict[str, Any]]


def write(subject: Subject, seed: int) -> str:
    """Return the model card in Markdown; `seed` is of the bootstrap."""
    root = Node.read(subject.tree)
    sample = subject.facts["trained_on"] == "sample"
    test = subject.predictions[subject.predictions["part"] == "test"]
    folds = test["fold"].nunique()
    corpora = [CORPORA[name] for name in sorted(subject.learned["corpus"].unique())]
    by_emotion = emotions(test, root.classes, seed)
    ranked = evaluation.speakers(test).sort_values("uar", kind="stable").to_dict("records")
    # A name that the words ask for and that is not here is an error, not a gap in the card.
    words = Environment(
        loader=FileSystemLoader(WORDS.parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown
    )
    return words.get_template(WORDS.name).render(
        vars(subject),
        span=span,
        sample=sample,
        demonstration=DEMONSTRATION,
        classes=root.classes,
        tree=drawn(root),
        chance=f"{1 / len(root.classes):.3f}",
        folds=folds,
        corpora=corpora,
        unfree=[corpus.name for corpus in corpora if not corpus.commercial],
        untested=sorted(set(subject.learned["corpus"]) - set(test["corpus"])),
        voices=subject.learned["speaker"].nunique(),
        data=markdown(learned(subject.learned, sample)),
        returning=folds > 1 and returning(subject.predictions),
        divided=divided(subject.protocol, folds),
        judged=markdown(judged(subject.predictions)),
        scores=markdown(scores(subject.report["test"])),
        emotions=markdown(
            by_emotion.assign(recall=[span(row, "recall") for row in by_emotion.to_dict("records")]).drop(
                columns=["recall_low", "recall_high"]
            )
        ),
        weakest=by_emotion.loc[by_emotion["recall"].idxmin()],
        confusion=confused(test, root.classes),
        sexes=sexes(test, root.classes, seed),
        worst=ranked[0],
        best=ranked[-1],
        heard_among=len(EMOTIONS),
    )


def markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown, its words as they are."""
    return str(table.to_markdown(index=False, disable_numparse=True))


def span(scored: Mapping[str, Any], score: str) -> str:
    """Return a score with its 95 % interval where it has one: "0.417 (0.361–0.472)"."""
    value, low, high = (scored[f"{score}{end}"] for end in ("", "_low", "_high"))
    return f"{value:.3f}" if pd.isna(low) else f"{value:.3f} ({low:.3f}–{high:.3f})"


def drawn(node: Node) -> str:
    """Return a tree on one line: "emotion (aroused (happy, anger), subdued (sad, neutral))"."""
    return f"{node.name} ({', '.join(map(drawn, node.children))})" if node.children else node.name


def learned(clips: pd.DataFrame, sample: bool) -> pd.DataFrame:
    """Return what was learned from, a row for each corpus; `clips` as in `Subject`."""
    rows = []
    for name, own in clips.groupby("corpus", sort=True):
        people, original = own.drop_duplicates("speaker")["sex"], own["id"] == own["source"]
        rows.append(
            {
                "corpus": name,
                "what": "synthetic voices" if sample else CORPORA[name].title,
                "clips": original.sum(),
                "altered copies": (~original).sum(),
                "speakers": len(people),
                "women": (people == "female").sum(),
                "men": (people == "male").sum(),
                "licence": "–" if sample else CORPORA[name].licence,
            }
        )
    return pd.DataFrame(rows)


def divided(protocol: Protocol, folds: int) -> str:
    """Say in a sentence how clips were divided into `folds` folds."""
    if protocol.unit == "clips":
        return "clips were divided at random, whoever speaks in them."
    if protocol.unit == "corpora":
        return "each corpus was tested whole by a model that had heard nothing of it."
    if folds == 1:
        return "speakers were divided once; none is in two parts."
    return f"speakers were divided into {folds} folds; each was tested by a model that had not heard them."


def returning(predictions: pd.DataFrame) -> bool:
    """Whether speakers who validated one fold were tested in another."""
    validated, tested = (
        set(predictions.loc[predictions["part"] == part, "speaker"]) for part in ("validation", "test")
    )
    return not validated.isdisjoint(tested)


def judged(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return who validated and who was tested, over all folds: a row for each corpus and part."""
    rows = [
        {
            "part": part,
            "corpus": corpus,
            "clips": clips["id"].nunique(),
            "speakers": clips["speaker"].nunique(),
            "who": ", ".join(sorted(clips["speaker"].str.removeprefix(f"{corpus}-").unique())),
        }
        for part in ("validation", "test")
        for corpus, clips in predictions[predictions["part"] == part].groupby("corpus", sort=True)
    ]
    return pd.DataFrame(rows)


def scores(test: Mapping[str, Any]) -> pd.DataFrame:
    """Return the scores of the test clips and of their groups; `test` of `pipeline.evaluation.report`."""
    groups = {("all", "all"): test} | {
        (by, name): group
        for by in evaluation.GROUPS
        for name, group in test[by].items()
        if by != "fold" or len(test[by]) > 1
    }
    rows = [
        {"by": by, "group": name}
        | {title: span(group, score) for score, title in TITLES.items()}
        | {"clips": group["clips"], "speakers": group["speakers"]}
        for (by, name), group in groups.items()
    ]
    return pd.DataFrame(rows)


def emotions(test: pd.DataFrame, classes: Sequence[str], seed: int) -> pd.DataFrame:
    """Return how each emotion is recognised: a row for each that has a test clip."""
    rows = []
    for emotion, clips in test.groupby("label", sort=True):
        # Over the clips of one emotion, UAR is its recall.
        scored = bootstrap.scored(bootstrap.counts(clips, classes), seed)
        answered = test[test["predicted"] == emotion]
        rows.append(
            {
                "emotion": emotion,
                "clips": len(clips),
                **{f"recall{end}": scored[f"uar{end}"] for end in ("", "_low", "_high")},
                "precision": f"{(answered['label'] == emotion).mean():.3f}" if len(answered) else "–",
            }
        )
    return pd.DataFrame(rows)


def confused(test: pd.DataFrame, classes: Sequence[str]) -> dict[str, Any] | None:
    """Return the emotion that most often passes for another, None where every answer is right."""
    matrix = evaluation.confusion(test, classes)
    wrong = matrix.where(matrix.index.to_numpy()[:, None] != matrix.columns.to_numpy(), 0).stack()
    truth, answer = wrong.idxmax()
    found = {"truth": truth, "answer": answer, "clips": wrong.max(), "of": matrix.loc[truth].sum()}
    return found if found["clips"] else None


def sexes(test: pd.DataFrame, classes: Sequence[str], seed: int) -> dict[str, Any] | None:
    """Compare women and men where a gap between them is not one between corpora.

    Returns
    -------
    dict or None
        ``corpora``, those of which both were tested, and the UAR of their women minus that of their men (see
        `pipeline.bootstrap.apart`); None where there is no such corpus.
    """
    both = test.groupby("corpus")["sex"].nunique()
    corpora = sorted(both.index[both == 2])
    if not corpora:
        return None
    clips = test[test["corpus"].isin(corpora)]
    women, men = (bootstrap.counts(clips[clips["sex"] == sex], classes) for sex in ("female", "male"))
    return {"corpora": corpora, **bootstrap.apart(women, men, seed)}
