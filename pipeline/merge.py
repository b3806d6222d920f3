"""Merge: the corpora's files become one utterance table and mono 16 kHz clips."""

import hashlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from pipeline import table
from pipeline.audio import AudioError, Sound, decode, write
from pipeline.config import Config
from pipeline.corpora import CORPORA, Utterance
from pipeline.parallel import each
from pipeline.stage import PipelineError, output, stage
from pipeline.table import quarantined

log = logging.getLogger("merge")


@dataclass(frozen=True)
class Clip:
    """A clip to be: what its name says, and the files that claim to be it (mirrors hold some twice)."""

    corpus: str
    utterance: Utterance
    files: tuple[PurePosixPath, ...]


@dataclass(frozen=True)
class Merge:
    """Turns one clip into a row of the table; what cannot be used goes to quarantine."""

    downloads: Path
    target: Path

    def __call__(self, clip: Clip) -> tuple[dict[str, Any] | None, list[dict[str, str]]]:
        """Return the clip's row with the ``file`` it came from, or None, and the files that were left out."""
        row, left_out = None, []
        for file in clip.files:
            if row is not None:
                detail = f"a second copy of {clip.utterance.id}"
                left_out.append(quarantined(clip.corpus, file, "duplicate", detail))
                continue
            try:
                row = self.row(clip, decode(self.downloads / clip.corpus / file)) | {"file": file}
            except AudioError as error:
                left_out.append(quarantined(clip.corpus, file, error.code, error.message))
        return row, left_out

    def row(self, clip: Clip, sound: Sound) -> dict[str, Any]:
        """Write the clip and return its row."""
        path = Path("clips", clip.corpus, f"{clip.utterance.id}.flac")
        write(sound.samples, self.target / path)
        return asdict(clip.utterance) | {
            "corpus": clip.corpus,
            "native_rate": sound.native_rate,
            "channels": sound.channels,
            "duration": sound.duration,
            "sha256": hashlib.sha256(sound.native.tobytes()).hexdigest(),
            "path": path.as_posix(),
        }


def sort(corpus: str, folder: Path) -> tuple[list[Clip], Counter[str], list[dict[str, str]]]:
    """Read the names of a corpus's files.

    Returns
    -------
    clips : list of Clip
        Those of the six classes, by id.
    dropped : Counter
        Clips of the classes that the six leave out, by the corpus's own word.
    left_out : list of dict
        Files whose names break the corpus's rule.
    """
    named: dict[str, Utterance] = {}
    files: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
    left_out = []
    # Shallow paths first: a nested second copy is the one that counts as the duplicate.
    for path in sorted(folder.rglob("*"), key=lambda p: (len(p.parts), p)):
        relative = PurePosixPath(path.relative_to(folder).as_posix())
        try:
            utterance = CORPORA[corpus].read(relative) if path.is_file() else None
        except ValueError as error:
            left_out.append(quarantined(corpus, relative, "name", str(error)))
            continue
        if utterance:
            named[utterance.id] = utterance
            files[utterance.id].append(relative)
    dropped = Counter(u.original_label for u in named.values() if u.label is None)
    clips = [Clip(corpus, u, tuple(files[i])) for i, u in sorted(named.items()) if u.label]
    return clips, dropped, left_out


def listeners(corpus: str, folder: Path) -> list[dict[str, Any]]:
    """Read what human listeners heard in a corpus's clips, where its table lies beside them.

    Raises
    ------
    PipelineError
        Where the table is not as published.
    """
    known = CORPORA[corpus].listeners
    if known is None or not (folder / known.file).is_file():
        return []
    try:
        return [asdict(heard) for heard in known.read((folder / known.file).read_text("utf-8"))]
    except ValueError as error:
        raise PipelineError(f"{known.file} in data/ is not {corpus}'s table of votes: {error}") from None


def without_twins(utterances: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Yield the quarantine rows of clips that hold the very samples of an earlier one."""
    first = utterances.drop_duplicates("sha256").set_index("sha256")["id"]
    for twin in utterances[utterances.duplicated("sha256")].itertuples():
        detail = f"the same samples as {first[twin.sha256]}"
        yield quarantined(twin.corpus, twin.file, "duplicate", detail)


def main(cfg: Config) -> None:
    """Read build/download, write build/merge."""
    downloads = cfg.build / "download"
    present = {name: present_at(downloads / name) for name in CORPORA}
    missing = sorted(name for name, there in present.items() if not there)
    if missing:
        log.warning("going on without %s: see %s", ", ".join(missing), downloads / missing[0] / "source.json")
    with output(cfg.build / "merge") as folder:
        rows, left_out, clips, heard = [], [], [], []
        summary: dict[str, Any] = {}
        for corpus in (name for name, there in present.items() if there):
            found, dropped, misnamed = sort(corpus, downloads / corpus)
            clips += found
            left_out += misnamed
            heard += listeners(corpus, downloads / corpus)
            summary[corpus] = {"dropped": dict(dropped)}
        if not clips:
            raise PipelineError(
                f"{downloads} holds no clip of any corpus: put an archive into {cfg.corpora.folder}/"
            )
        for row, rest in each(Merge(downloads, folder), clips, cfg.jobs, "merge"):
            left_out += rest
            rows += [row] if row else []
        if not rows:
            raise PipelineError(
                f"none of the {len(clips)} clips below {downloads} can be read: are the archives whole?"
            )
        utterances = pd.DataFrame(rows).sort_values("id", ignore_index=True)
        left_out += without_twins(utterances)
        for path in utterances.path[utterances.duplicated("sha256")]:
            (folder / path).unlink()
        utterances = utterances.drop_duplicates("sha256", ignore_index=True).drop(columns="file")
        quarantine = pd.DataFrame(left_out, columns=list(table.Quarantine.to_schema().columns))
        table.write(utterances, table.Utterances, folder / "utterances.parquet")
        table.write(quarantine, table.Quarantine, folder / "quarantine.parquet")
        votes = pd.DataFrame(heard, columns=list(table.Listeners.to_schema().columns))
        table.write(votes, table.Listeners, folder / "listeners.parquet")
        for corpus, counts in summary.items():
            counts["clips"] = int((utterances.corpus == corpus).sum())
            counts["speakers"] = int(utterances[utterances.corpus == corpus].speaker.nunique())
            counts["quarantined"] = quarantine[quarantine.corpus == corpus].reason.value_counts().to_dict()
            log.info("%s: %s", corpus, counts)
        summary["missing"] = missing
        (folder / "summary.json").write_text(json.dumps(summary, indent=2, sort_keys=True))


def present_at(folder: Path) -> bool:
    """Tell whether `download` brought a corpus.

    Raises
    ------
    PipelineError
        Where `download` has not run.
    """
    source = folder / "source.json"
    if not source.exists():
        raise PipelineError(
            f"{source} is not there: run the stage 'download' for {folder.name} first (dvc repro does)"
        )
    return bool(json.loads(source.read_text())["state"] != "missing")


app = stage(main)

if __name__ == "__main__":
    app()
