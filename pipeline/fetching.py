"""Fetching a corpus from its address: checked against its hashes, kept in a per-user cache."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pooch
import requests
from tqdm import tqdm
from urllib3.exceptions import MaxRetryError

from pipeline.archives import check_paths, writing
from pipeline.corpora.corpus import Archive, Corpus, Dataverse, Files, Registration, is_recording
from pipeline.stage import CACHE_VARIABLE, PipelineError, cache, log

LFS_POINTER = b"version https://git-lfs"
ENOUGH_FAILURES = 10  # more say nothing new, and thousands would take hours


class FetchError(Exception):
    """A file could not be had as it was published."""


class UnreachableError(FetchError):
    """There is no connection to the address, and nothing was fetched."""


class RefusedError(Exception):
    """The server's answer is final: to ask again will not change it."""


@dataclass(frozen=True)
class Patience:
    """How long to bear with a server.

    Attributes
    ----------
    timeout : float
        Seconds without a byte.
    retries : int
        After the first try, with growing pauses between.
    workers : int
        Files fetched at a time.
    """

    timeout: float = 30.0
    retries: int = 3
    workers: int = 8


@dataclass(frozen=True)
class Remote:
    """A file elsewhere.

    Attributes
    ----------
    url : str
    known_hash : str or None
        As pooch takes it; None where it is not known.
    """

    url: str
    known_hash: str | None


def fetch(corpus: Corpus, patience: Patience) -> dict[PurePosixPath, Path]:
    """Fetch what the cache does not hold yet, or holds in another state than published.

    Parameters
    ----------
    corpus : Corpus
        Whose source is not a `Registration`.
    patience : Patience

    Returns
    -------
    dict
        Path in the corpus → file in the cache; a single entry where the source is an archive.

    Raises
    ------
    UnreachableError
        No connection, and nothing was fetched.
    FetchError
        Naming the files with a wrong hash, refused by the server or cut off at every try. The others
        stay in the cache for the next try.
    """
    match corpus.source:
        case Archive(url, known_hash, size):
            files = {PurePosixPath(corpus.archive): Remote(url, known_hash)}
            return _fetch(corpus.name, files, patience, size)
        case Files(url, registry):
            folder = PurePosixPath(corpus.archive).stem
            files = {
                PurePosixPath(folder, name): Remote(f"{url.rstrip('/')}/{name}", known_hash)
                for name, known_hash in registry().items()
            }
            return _fetch(corpus.name, files, patience)
        case Dataverse():
            return _fetch(corpus.name, _list(corpus.name, corpus.source, patience), patience)
        case Registration():
            raise ValueError(f"{corpus.name} is given out after registration only")


def _list(corpus: str, source: Dataverse, patience: Patience) -> dict[PurePosixPath, Remote]:
    """List the recordings of a Dataverse dataset with the md5 of each.

    Recordings alone: a table is converted when it is deposited, and what is sent for it does not fit
    the listed md5. See the Dataverse guides, native API (datasets) and data access API (datafile).
    """
    server = source.url.rstrip("/")
    listing = f"{server}/api/datasets/:persistentId/?persistentId={source.doi}"
    name = PurePosixPath("dataset.json")
    (cache() / corpus / name).unlink(missing_ok=True)  # it has no hash to tell a new version by
    answer = _fetch(corpus, {name: Remote(listing, None)}, patience)[name].read_bytes()
    files: dict[str, Remote] = {}
    try:
        for entry in json.loads(answer)["data"]["latestVersion"]["files"]:
            file = entry["dataFile"]
            path = PurePosixPath(entry.get("directoryLabel", ""), file["filename"])
            if is_recording(path):
                files[str(path)] = Remote(f"{server}/api/access/datafile/{file['id']}", f"md5:{file['md5']}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(f"{listing} did not answer with a dataset's files ({error!r})") from None
    if not files:
        raise FetchError(f"{listing} lists no recording (.wav)")
    return dict(zip(check_paths(files, listing), files.values(), strict=True))


def _fetch(
    corpus: str, files: dict[PurePosixPath, Remote], patience: Patience, size: int | None = None
) -> dict[PurePosixPath, Path]:
    """Fetch files through pooch, several at a time; a single one of known `size` with a bar of its bytes."""
    pooch.get_logger().setLevel("WARNING")  # a line for each file would drown the bar
    keys = {f"{corpus}/{path}": path for path in files}
    pup = pooch.create(
        path=cache(),
        base_url="",
        registry={key: files[path].known_hash for key, path in keys.items()},
        urls={key: files[path].url for key, path in keys.items()},
        retry_if_failed=patience.retries,
    )
    for folder in {(pup.abspath / key).parent for key in keys}:
        folder.mkdir(parents=True, exist_ok=True)  # pooch's own does not bear several threads
    transfer = _transfer(corpus, patience.timeout, size)
    fetched, failures = 0, dict[str, Exception]()
    pool = ThreadPoolExecutor(patience.workers)
    try:
        tasks = {pool.submit(pup.fetch, key, _action, transfer): key for key in keys}
        for task in tqdm(
            as_completed(tasks), corpus, len(tasks), unit="file", disable=len(tasks) == 1 or None
        ):
            try:
                fetched += task.result() != "fetch"
            except (requests.RequestException, ValueError, RefusedError) as error:
                failures[keys[tasks[task]].name] = error
                if len(failures) == ENOUGH_FAILURES or (_unreachable(error) and not fetched):
                    break
            except PermissionError as error:
                raise PipelineError(f"{error}: give another folder in {CACHE_VARIABLE}") from None
    finally:
        pool.shutdown(cancel_futures=True)
    if failures:
        what = "; ".join(f"{name}: {_describe(error)}" for name, error in failures.items())
        if not fetched and all(map(_unreachable, failures.values())):
            raise UnreachableError(what)
        raise FetchError(what)
    log.info("%s: %d of %d files fetched, the others were in %s", corpus, fetched, len(files), pup.abspath)
    return {path: pup.abspath / key for key, path in keys.items()}


def _action(_path: str, action: str, _pup: pooch.Pooch) -> str:
    """Tell whether pooch had to fetch a file ("download", "update") or had it already ("fetch")."""
    return action


def _transfer(corpus: str, timeout: float, size: int | None) -> Callable[[str, str, pooch.Pooch], None]:
    """Make pooch's downloader, which knows an answer that is final and a git-lfs pointer when it sees one."""

    def transfer(url: str, target: str, pup: pooch.Pooch) -> None:
        bar: Any = False
        if size:
            bar = tqdm(desc=corpus, total=size, unit="B", unit_scale=True, disable=None)
        try:
            with writing(Path(target)) as sink:
                pooch.HTTPDownloader(bar, chunk_size=1 << 16, timeout=timeout)(url, sink, pup)
        except requests.HTTPError as error:
            if 400 <= error.response.status_code < 500 and error.response.status_code not in (408, 425, 429):
                raise RefusedError(str(error)) from None
            raise
        finally:
            if bar is not False:
                bar.close()
        with open(target, "rb") as file:
            if file.read(len(LFS_POINTER)) == LFS_POINTER:
                raise RefusedError(f"{url} gives a git-lfs pointer in place of the sound")

    return transfer


def _unreachable(error: Exception) -> bool:
    """Tell a connection that never came about from one that was cut."""
    if isinstance(error, requests.Timeout | requests.exceptions.ProxyError):
        return True
    return isinstance(error, requests.ConnectionError) and isinstance(error.args[0], MaxRetryError)


def _describe(error: Exception) -> str:
    """Say what happened, without the layers of exceptions around it."""
    if _unreachable(error):
        return f"no connection ({getattr(error.args[0], 'reason', error)})"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "the connection was cut before the end"
    return str(error).rstrip(".")
