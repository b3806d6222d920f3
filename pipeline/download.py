"""Get one corpus: its archive from data/ where it lies there, else from its official address.

    python -m pipeline.download corpus=ravdess corpora=full

A corpus that is missing or out of reach is said loudly, and the pipeline goes on with the others, unless
`corpora.require` names it. What is there but not as published (hash, archive, answer) is an error.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pooch

from pipeline.archives import unpack, writing
from pipeline.config import Config, Corpora
from pipeline.corpora import CORPORA
from pipeline.corpora.corpus import Archive, Corpus, Registration, is_recording
from pipeline.fetching import FetchError, Patience, UnreachableError, fetch
from pipeline.stage import PipelineError, log, output, stage


class MissingError(Exception):
    """A corpus is not here and cannot be had now; its message says why."""


def main(cfg: Config) -> None:
    """Leave the corpus `cfg.corpus` in ``build/download/<corpus>``."""
    if cfg.corpus is None:
        raise PipelineError(f"which corpus? give one of {', '.join(CORPORA)}: corpus={next(iter(CORPORA))}")
    download(CORPORA[cfg.corpus], cfg.corpora, cfg.build / "download" / cfg.corpus, Patience())


def download(corpus: Corpus, corpora: Corpora, folder: Path, patience: Patience) -> None:
    """Leave the recordings of a corpus in a folder, and in ``source.json`` where they came from.

    Parameters
    ----------
    corpus : Corpus
    corpora : Corpora
        Where archives lie, whether to fetch, from where, and what must not be missing.
    folder : Path
        Written whole or not at all. Where the corpus is missing it holds ``source.json`` alone, with
        ``"state": "missing"``, the reason and what to do.
    patience : Patience
        How long to bear with a server.

    Raises
    ------
    PipelineError
        Where the corpus is required and missing; where an archive or an answer is not as published.
    """
    source: dict[str, Any] = {
        "corpus": corpus.name,
        "title": corpus.title,
        "licence": corpus.licence,
        "citation": corpus.citation,
    }
    remedy = _remedy(corpus, corpora)
    with output(folder) as partial:
        try:
            source |= _obtain(corpus, corpora, partial, patience)
            if corpus.listeners and (votes := corpora.folder / corpus.listeners.file).is_file():
                _copy({PurePosixPath(votes.name): votes}, partial)
        except MissingError as missing:
            message = f"{corpus.title} ({corpus.name}) is missing: {missing}. To have it, {remedy}"
            if corpus.name in corpora.require:
                raise PipelineError(f"{message}, or take {corpus.name} out of corpora.require") from None
            log.warning("%s. The pipeline goes on without it.", message)
            source |= {
                "state": "missing",
                "reason": str(missing),
                "what to do": remedy,
                "from": None,
                "sha256": None,
            }
        except FetchError as error:
            raise PipelineError(
                f"{corpus.name} could not be fetched as it was published: {error}. What is in order is kept: "
                f"run the stage again to fetch the rest. Else {remedy}, or set corpora.download=false to go "
                "on without it"
            ) from None
        clips = [path for path in partial.rglob("*") if path.is_file()]
        source |= {"files": len(clips), "bytes": sum(path.stat().st_size for path in clips)}
        (partial / "source.json").write_text(json.dumps(source, indent=2) + "\n")
    log.info("%s: %d files, %d bytes (%s)", corpus.name, source["files"], source["bytes"], source["state"])


def _obtain(corpus: Corpus, corpora: Corpora, folder: Path, patience: Patience) -> dict[str, Any]:
    """Bring the recordings into `folder`; return where they came from."""
    local = corpora.folder / corpus.archive
    source = corpus.source
    if local.is_file():
        if corpora.download:  # the stand-in's archives are none of the published ones, nor say so
            _compare(local, source)
        return _unpacked(local, folder) | {"state": "archive", "from": str(local)}
    unpacked = local.with_suffix("")
    if unpacked.is_dir():
        clips = {
            PurePosixPath(file.relative_to(corpora.folder)): file for file in sorted(unpacked.rglob("*"))
        }
        clips = {path: file for path, file in clips.items() if is_recording(path) and file.is_file()}
        if not clips:
            raise PipelineError(
                f"{unpacked} holds no recording (.wav): fill it, or take it away to go on without"
            )
        _copy(clips, folder)
        return {"state": "archive", "from": str(unpacked), "sha256": None}
    if isinstance(source, Registration):
        if corpus.name in corpora.address:
            raise PipelineError(
                f"corpora.address: {corpus.name} is never fetched: {_remedy(corpus, corpora)}"
            )
        raise MissingError(f"{local} is not there, and this corpus is given out after registration only")
    if not corpora.download:
        raise MissingError(f"{local} is not there, and corpora.download is off")
    addresses = dict[str, str](corpora.address.items())
    source = replace(source, url=addresses.get(corpus.name, source.url))
    try:
        files = fetch(replace(corpus, source=source), patience)
    except UnreachableError as error:
        raise MissingError(f"{local} is not there, and {source.url} is out of reach: {error}") from None
    if isinstance(source, Archive):
        (archive,) = files.values()
        return _unpacked(archive, folder) | {"state": "fetched", "from": source.url}
    _copy(files, folder)
    return {"state": "fetched", "from": source.url, "sha256": None}


def _unpacked(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack an archive; return its hash."""
    unpack(archive, folder)
    return {"sha256": pooch.file_hash(archive)}


def _copy(clips: Mapping[PurePosixPath, Path], folder: Path) -> None:
    """Copy files to their paths in the corpus."""
    for path, file in clips.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as origin, writing(folder / path) as copy:
            shutil.copyfileobj(origin, copy)


def _compare(archive: Path, source: Any) -> None:
    """Say where a local archive is not the official one: a part of it or a repacked one is welcome too."""
    if not isinstance(source, Archive):
        return
    algorithm, _, official = source.known_hash.rpartition(":")
    found = pooch.file_hash(archive, algorithm or "sha256")
    if found != official:
        log.warning(
            "%s is not the published archive (%s, published %s): taken as it is", archive, found, official
        )


def _remedy(corpus: Corpus, corpora: Corpora) -> str:
    """Say what brings a missing corpus back."""
    ways = f"put the archive at {corpora.folder / corpus.archive}"
    if isinstance(corpus.source, Registration):
        ways = f"register at {corpus.source.page} and {ways}"
    elif corpora.download:
        ways += ", or name another address under corpora.address, or wait for a connection"
    return f"{ways}; then run `dvc repro --force --single-item download@{corpus.name}` and `dvc repro`"


app = stage(main)

if __name__ == "__main__":
    app()
