"""Release: the champion as a small folder that anyone can serve without training, with its card and licence.

``python -m pipeline.release`` writes ``release/`` from the registry and says how to pin it; it exits with 1
where the champion is not fit to be given away. A fresh clone fetches what is pinned and serves it until it
has a champion of its own (`serving.service`).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from pipeline import tracking
from pipeline.corpora import CORPORA
from pipeline.detector import RELEASE, Detector
from pipeline.promote import standing
from pipeline.stage import PipelineError, choices, output
from pipeline.version import KEPT, Version, known

LIMIT = 5_000_000  # bytes, of all files together: the clone of everyone who looks at the project grows by it
LICENCE = "CC BY-NC-SA 4.0"
NOTE = (
    "A released model, learned from acted recordings of real voices: for research only, not for judging "
    f"people. Its licence is {LICENCE}."
)
NOTICE = """\
{name}, {version}: detector.skops, model.json and card.md

This work is licensed under the Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International
License (CC BY-NC-SA 4.0). Its text: https://creativecommons.org/licenses/by-nc-sa/4.0/legalcode

You may share and adapt it for purposes that are not commercial, if you give credit, say what you changed, and
pass on what you make of it under the same licence. It comes without any warranty.

Credit for this work goes to the project Emotion Detector.

It was learned from the recordings of others, who are to be credited too. None of them endorses it, and no
recording is in it; who wants the recordings gets them from their makers, under the licences named here.
"""


def champion(taxonomy: str) -> tuple[Detector, dict[str, Any], str]:
    """Return the champion of a taxonomy, what is to be known of it, and its card.

    Raises
    ------
    PipelineError
        Where there is none, or it is not fit to be released.
    """
    tracking.connect()
    name = f"emotion-detector-{taxonomy}"
    version = tracking.champion(name)
    if version is None:
        raise PipelineError(f"no version of {name} is champion: `make repro` trains and promotes one")
    run = tracking.find(version.run_id)
    check(f"{name} version {version.version}", run.data.tags)
    card = tracking.card(version)
    if card is None:
        raise PipelineError(
            f"{name} version {version.version} has no model card: `dvc repro --force --single-item promote` "
            "writes it"
        )
    detector = tracking.load(name, str(version.version))
    return detector, describe(name, str(version.version), run), card


def check(champion: str, facts: Mapping[str, str]) -> None:
    """Refuse a champion whose answers or numbers mean nothing for voices that it has not heard.

    Raises
    ------
    PipelineError
        Naming the fault.
    """
    if missing := sorted({"trained_on", "shares_speakers", "corpora", *KEPT} - set(facts)):
        raise PipelineError(
            f"the run of {champion} does not say its {', '.join(missing)}: train it again with this version"
        )
    real, unseen = standing(facts)
    if not real:
        raise PipelineError(
            f"{champion} is a demonstration of synthetic voices, nothing to be given away: train one on real "
            "recordings (corpora: full in params.yaml), which replaces it"
        )
    if not unseen:
        raise PipelineError(
            f"{champion} was tested on speakers that it knows: train one under another protocol, such as "
            "protocol: folds in params.yaml, which replaces it"
        )


def describe(name: str, version: str, run: Run) -> dict[str, Any]:
    """Return what ``model.json`` says."""
    today = datetime.now(UTC).date().isoformat()
    return {
        **known(name, version, today, run.data.tags, run.data.metrics),
        "version": f"release-{today}",
        "licence": LICENCE,
        "note": NOTE,
        "registered": version,
    }


def licence(model: Mapping[str, Any]) -> str:
    """Return the notice of the licence, with the corpora that are to be credited."""
    credits = [
        f"- {corpus.title}, {corpus.licence}. {corpus.citation}"
        for corpus in (CORPORA[name] for name in model["corpora"])
    ]
    return "\n".join([NOTICE.format(**model), *credits, ""])


def write(detector: Detector, model: Mapping[str, Any], card: str, folder: Path) -> int:
    """Write the folder whole or not at all, and return its size in bytes.

    Raises
    ------
    PipelineError
        Where it is over the limit.
    """
    with output(folder) as partial:
        detector.save(partial)
        Version(detector, dict(model), card).describe(partial)
        (partial / "LICENSE").write_text(licence(model))
        size = sum(path.stat().st_size for path in partial.iterdir())
        if size > LIMIT:
            raise PipelineError(
                f"the release would have {size / 1e6:.1f} MB, more than {LIMIT / 1e6:.0f}: promote a smaller "
                "model"
            )
    return size


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the release and return the exit status."""
    chosen = dict(choice.split("=", 1) for choice in choices())["taxonomy"]
    parser = argparse.ArgumentParser(prog="python -m pipeline.release", description=__doc__)
    parser.add_argument("--taxonomy", default=chosen, help="whose champion; default: %(default)s")
    options = parser.parse_args(arguments)
    try:
        detector, model, card = champion(options.taxonomy)
        size = write(detector, model, card, RELEASE)
    except PipelineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{RELEASE}/: {model['name']} {model['version']}, {size / 1e6:.1f} MB. Read its card; to pin it:")
    print(f"dvc add {RELEASE} && dvc push {RELEASE}.dvc && git add {RELEASE}.dvc dvcstore")
    return 0


if __name__ == "__main__":
    sys.exit(main())
