"""The download stage against a server on this machine that behaves and misbehaves."""

import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Corpora
from pipeline.corpora import CORPORA
from pipeline.corpora.corpus import Archive, Corpus, Dataverse, Files
from pipeline.download import download
from pipeline.fetching import ENOUGH_FAILURES, Patience
from pipeline.stage import ROOT, PipelineError

Handler = http.server.BaseHTTPRequestHandler
Answer = Callable[[Handler], None]

IMPATIENT = Patience(timeout=0.5, retries=0, workers=4)
ONE_RETRY = replace(IMPATIENT, retries=1)
SOUND = bytes(range(256)) * 40
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def zipped(**clips: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in clips.items():
            archive.writestr(zipfile.ZipInfo(f"Actor_01/{name}.wav"), content)
    return buffer.getvalue()


ARCHIVE = zipped(a=SOUND, b=SOUND[::-1])


def good(content: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def cut(content: bytes) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])

    return answer


def status(code: int) -> Answer:
    return lambda handler: handler.send_error(code)


def silent(handler: Handler) -> None:
    """Accept the connection and say nothing until the other side gives up."""
    handler.connection.settimeout(20)
    handler.rfile.read(1)


def stalling(content: bytes) -> Answer:
    """Send half and no more, without hanging up."""

    def answer(handler: Handler) -> None:
        cut(content)(handler)
        handler.wfile.flush()
        silent(handler)

    return answer


class Server(http.server.ThreadingHTTPServer):
    """Answers each path with its answers in turn, the last of them for ever; counts what is asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, list[Answer]] = defaultdict(lambda: [status(404)])
        self.asked: Counter[str] = Counter()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __setitem__(self, path: str, answers: Answer | list[Answer]) -> None:
        self.answers[path] = answers if isinstance(answers, list) else [answers]


class _Handler(Handler):
    def do_GET(self) -> None:  # noqa: N802 - http.server's name
        server = self.server
        assert isinstance(server, Server)
        server.asked[self.path] += 1
        answers = server.answers[self.path]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTION_DETECTOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def corpora(tmp_path: Path) -> Corpora:
    return Corpora(name="full", folder=tmp_path / "data", download=True, require=[], address={})


def of_archive(url: str, content: bytes = ARCHIVE) -> Corpus:
    source = Archive(f"{url}/ravdess.zip", f"md5:{hashlib.md5(content).hexdigest()}", len(content))
    return replace(CORPORA["ravdess"], source=source)


def of_files(url: str, clips: dict[str, bytes]) -> Corpus:
    registry = {name: f"sha256:{hashlib.sha256(clip).hexdigest()}" for name, clip in clips.items()}
    return replace(CORPORA["cremad"], source=Files(f"{url}/AudioWAV/", lambda: registry))


def of_dataverse(url: str) -> Corpus:
    return replace(CORPORA["tess"], source=Dataverse(url, "doi:10.5683/SP2/E8H2MF"))


def source_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "source.json").read_text())
    return found


def files_of(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def nothing_left(tmp_path: Path) -> None:
    """Neither output nor half of one, nor half a file in the cache."""
    assert list((tmp_path / "build").rglob("*")) == []
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


# An archive


def test_a_local_archive_comes_first(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    corpora.folder.mkdir()
    (corpora.folder / "Audio_Speech_Actors_01-24.zip").write_bytes(ARCHIVE)
    corpus = of_archive(server.url)
    download(corpus, corpora, tmp_path / "build/ravdess", IMPATIENT)
    assert files_of(tmp_path / "build/ravdess") == ["Actor_01/a.wav", "Actor_01/b.wav", "source.json"]
    assert source_of(tmp_path / "build/ravdess") == {
        "corpus": "ravdess",
        "title": corpus.title,
        "licence": "CC BY-NC-SA 4.0",
        "citation": corpus.citation,
        "state": "archive",
        "from": str(corpora.folder / "Audio_Speech_Actors_01-24.zip"),
        "sha256": hashlib.sha256(ARCHIVE).hexdigest(),
        "files": 2,
        "bytes": 2 * len(SOUND),
    }
    assert not server.asked


@pytest.mark.parametrize("published", [True, False])
def test_a_local_archive_of_another_hash_is_taken_and_said(
    tmp_path: Path, corpora: Corpora, caplog: pytest.LogCaptureFixture, published: bool
) -> None:
    corpora.folder.mkdir()
    (corpora.folder / "Audio_Speech_Actors_01-24.zip").write_bytes(ARCHIVE if published else zipped(a=SOUND))
    download(of_archive("http://127.0.0.1:1"), corpora, tmp_path / "build/ravdess", IMPATIENT)
    assert source_of(tmp_path / "build/ravdess")["files"] == (2 if published else 1)
    assert ("is not the published archive" in caplog.text) is not published


def test_a_plain_folder_is_taken_as_well(tmp_path: Path, corpora: Corpora) -> None:
    (corpora.folder / "AudioWAV").mkdir(parents=True)
    (corpora.folder / "AudioWAV" / "1001_DFA_ANG_XX.wav").write_bytes(SOUND)
    (corpora.folder / "AudioWAV" / ".gitattributes").write_bytes(b"")
    download(CORPORA["cremad"], corpora, tmp_path / "build/cremad", IMPATIENT)
    assert files_of(tmp_path / "build/cremad") == ["AudioWAV/1001_DFA_ANG_XX.wav", "source.json"]
    assert source_of(tmp_path / "build/cremad")["state"] == "archive"


def test_a_table_of_what_people_heard_comes_along(tmp_path: Path, corpora: Corpora) -> None:
    (corpora.folder / "AudioWAV").mkdir(parents=True)
    (corpora.folder / "AudioWAV" / "1001_DFA_ANG_XX.wav").write_bytes(SOUND)
    (corpora.folder / "summaryTable.csv").write_text("FileName,VoiceVote\n")
    download(CORPORA["cremad"], corpora, tmp_path / "cremad", IMPATIENT)
    assert files_of(tmp_path / "cremad") == [
        "AudioWAV/1001_DFA_ANG_XX.wav",
        "source.json",
        "summaryTable.csv",
    ]


def test_an_empty_folder_is_refused(tmp_path: Path, corpora: Corpora) -> None:
    (corpora.folder / "AudioWAV").mkdir(parents=True)
    with pytest.raises(PipelineError, match="AudioWAV holds no recording"):
        download(CORPORA["cremad"], corpora, tmp_path / "build/cremad", IMPATIENT)


def test_a_truncated_local_archive(tmp_path: Path, corpora: Corpora) -> None:
    corpora.folder.mkdir()
    (corpora.folder / "TESS.zip").write_bytes(ARCHIVE[:-100])
    with pytest.raises(PipelineError, match=r"data/TESS\.zip is damaged .* get it again"):
        download(CORPORA["tess"], corpora, tmp_path / "build/tess", IMPATIENT)
    nothing_left(tmp_path)


def test_an_archive_is_fetched_once(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    server["/ravdess.zip"] = good(ARCHIVE)
    for _ in range(2):
        download(of_archive(server.url), corpora, tmp_path / "build/ravdess", IMPATIENT)
        assert (tmp_path / "build/ravdess/Actor_01/b.wav").read_bytes() == SOUND[::-1]
    source = source_of(tmp_path / "build/ravdess")
    assert (source["state"], source["from"]) == ("fetched", f"{server.url}/ravdess.zip")
    assert source["sha256"] == hashlib.sha256(ARCHIVE).hexdigest()
    assert server.asked == {"/ravdess.zip": 1}


def test_another_address_is_held_to_the_same_hash(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    server["/mirror?file=9"] = good(ARCHIVE)
    server["/other.zip"] = good(zipped(a=b"other"))
    corpus = of_archive("http://127.0.0.1:1")
    mirror = corpora.model_copy(update={"address": {"ravdess": f"{server.url}/mirror?file=9"}})
    download(corpus, mirror, tmp_path / "build/ravdess", IMPATIENT)
    assert source_of(tmp_path / "build/ravdess")["from"] == f"{server.url}/mirror?file=9"
    shutil.rmtree(tmp_path / "cache")
    other = corpora.model_copy(update={"address": {"ravdess": f"{server.url}/other.zip"}})
    with pytest.raises(PipelineError, match="does not match the known hash"):
        download(corpus, other, tmp_path / "build/other", IMPATIENT)


@pytest.mark.parametrize("first", [cut(ARCHIVE), stalling(ARCHIVE), good(b"wrong"), status(503)])
def test_a_fault_that_passes_is_tried_again(
    tmp_path: Path, corpora: Corpora, server: Server, first: Answer
) -> None:
    server["/ravdess.zip"] = [first, good(ARCHIVE)]
    download(of_archive(server.url), corpora, tmp_path / "build/ravdess", ONE_RETRY)
    assert (tmp_path / "build/ravdess/Actor_01/a.wav").read_bytes() == SOUND
    assert server.asked == {"/ravdess.zip": 2}


@pytest.mark.parametrize(
    ("answer", "message", "asked"),
    [
        (cut(ARCHIVE), "the connection was cut before the end", 2),
        (stalling(ARCHIVE), "the connection was cut before the end", 2),
        (lambda handler: None, "the connection was cut before the end", 2),
        (good(ARCHIVE[:-1]), "does not match the known hash", 2),
        (good(zipped(a=b"other")), "does not match the known hash", 2),
        (status(500), "500 Server Error", 2),
        (status(404), "404 Client Error", 1),
        (status(403), "403 Client Error", 1),
    ],
)
def test_a_fault_that_stays_is_an_error(
    tmp_path: Path, corpora: Corpora, server: Server, answer: Answer, message: str, asked: int
) -> None:
    server["/ravdess.zip"] = answer
    with pytest.raises(PipelineError, match=message) as error:
        download(of_archive(server.url), corpora, tmp_path / "build/ravdess", ONE_RETRY)
    assert "Audio_Speech_Actors_01-24.zip" in str(error.value)
    assert f"put the archive at {corpora.folder}/Audio_Speech_Actors_01-24.zip" in str(error.value)
    assert server.asked == {"/ravdess.zip": asked}
    nothing_left(tmp_path)


def test_a_published_archive_that_means_harm(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    harmful = zipped(**{"../../a": SOUND})
    server["/ravdess.zip"] = good(harmful)
    with pytest.raises(PipelineError, match="leads outside"):
        download(of_archive(server.url, harmful), corpora, tmp_path / "build/ravdess", IMPATIENT)
    assert not (tmp_path / "build/ravdess").exists()


# One file per clip


CLIPS = {f"10{n:02}_DFA_ANG_XX.wav": SOUND + bytes([n]) for n in range(20)}


def test_clips_that_fail_are_all_that_is_asked_for_again(
    tmp_path: Path, corpora: Corpora, server: Server, cache: Path
) -> None:
    failing = ["1003_DFA_ANG_XX.wav", "1011_DFA_ANG_XX.wav"]
    for name, clip in CLIPS.items():
        server[f"/AudioWAV/{name}"] = [status(500), good(clip)] if name in failing else good(clip)
    with pytest.raises(PipelineError) as error:
        download(of_files(server.url, CLIPS), corpora, tmp_path / "build/cremad", IMPATIENT)
    assert re.findall(r"10\d\d_DFA_ANG_XX\.wav: 500", str(error.value)) == [f"{n}: 500" for n in failing]
    assert not (tmp_path / "build/cremad").exists()
    assert len(server.asked) == 20

    server.asked.clear()
    (cache / "cremad/AudioWAV/1005_DFA_ANG_XX.wav").write_bytes(b"changed")
    download(of_files(server.url, CLIPS), corpora, tmp_path / "build/cremad", IMPATIENT)
    assert server.asked == {f"/AudioWAV/{name}": 1 for name in [*failing, "1005_DFA_ANG_XX.wav"]}
    for name, clip in CLIPS.items():
        assert (tmp_path / "build/cremad/AudioWAV" / name).read_bytes() == clip
    source = source_of(tmp_path / "build/cremad")
    assert (source["files"], source["sha256"]) == (20, None)
    assert source["bytes"] == sum(map(len, CLIPS.values()))


def test_a_pointer_in_place_of_sound_is_named(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    for name, clip in CLIPS.items():
        server[f"/AudioWAV/{name}"] = good(POINTER if name.startswith("1007") else clip)
    with pytest.raises(PipelineError, match=r"1007_DFA_ANG_XX\.wav gives a git-lfs pointer"):
        download(of_files(server.url, CLIPS), corpora, tmp_path / "build/cremad", ONE_RETRY)
    assert server.asked["/AudioWAV/1007_DFA_ANG_XX.wav"] == 1


def test_a_wrong_address_is_not_asked_for_every_clip(
    tmp_path: Path, corpora: Corpora, server: Server
) -> None:
    clips = {f"1001_{n}.wav": SOUND for n in range(500)}
    with pytest.raises(PipelineError, match="404 Client Error"):
        download(of_files(server.url, clips), corpora, tmp_path / "build/cremad", IMPATIENT)
    assert ENOUGH_FAILURES <= len(server.asked) < 100


def test_a_connection_lost_on_the_way_is_an_error(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    for name, clip in CLIPS.items():
        server[f"/AudioWAV/{name}"] = silent if name.startswith("1019") else good(clip)
    with pytest.raises(PipelineError, match=r"1019_DFA_ANG_XX\.wav: no connection"):
        download(of_files(server.url, CLIPS), corpora, tmp_path / "build/cremad", IMPATIENT)


# A Dataverse


def listing(files: list[dict[str, Any]]) -> bytes:
    return json.dumps({"status": "OK", "data": {"latestVersion": {"files": files}}}).encode()


def entry(number: int, name: str, content: bytes, folder: str | None = None) -> dict[str, Any]:
    md5 = hashlib.md5(content).hexdigest()
    file = {"id": number, "filename": name, "md5": md5, "checksum": {"type": "MD5", "value": md5}}
    return {"label": name, "restricted": False, "dataFile": file} | (
        {"directoryLabel": folder} if folder else {}
    )


LISTING = "/api/datasets/:persistentId/?persistentId=doi:10.5683/SP2/E8H2MF"


def test_a_dataverse_is_listed_and_checked(tmp_path: Path, corpora: Corpora, server: Server) -> None:
    table = entry(3, "words.tab", b"as deposited")
    table["dataFile"] |= {"originalFileFormat": "text/csv", "originalFileName": "words.csv"}
    clips = {4: SOUND, 5: SOUND[::-1]}
    entries = [
        table,
        entry(4, "OAF_back_angry.wav", SOUND),
        entry(5, "YAF_back_sad.wav", SOUND[::-1], "YAF/sad"),
    ]
    server[LISTING] = good(listing(entries))
    server["/api/access/datafile/4"] = good(clips[4])
    server["/api/access/datafile/5"] = [good(b"wrong"), good(clips[5])]
    with pytest.raises(PipelineError, match=r"YAF_back_sad\.wav: MD5 hash .* does not match"):
        download(of_dataverse(server.url), corpora, tmp_path / "build/tess", IMPATIENT)
    download(of_dataverse(server.url), corpora, tmp_path / "build/tess", IMPATIENT)
    assert files_of(tmp_path / "build/tess") == [
        "OAF_back_angry.wav",
        "YAF/sad/YAF_back_sad.wav",
        "source.json",
    ]
    assert (tmp_path / "build/tess/YAF/sad/YAF_back_sad.wav").read_bytes() == SOUND[::-1]
    assert server.asked == {LISTING: 2, "/api/access/datafile/4": 1, "/api/access/datafile/5": 2}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (good(b"<html>We are moving</html>"), "did not answer with a dataset's files"),
        (good(b'{"status": "OK", "data": []}'), "did not answer with a dataset's files"),
        (good(listing([{"label": "a.wav"}])), "did not answer with a dataset's files"),
        (good(listing([])), "lists no recording"),
        (good(listing([entry(1, "a.wav", SOUND, "../..")])), "leads outside"),
        (good(listing([entry(1, "/etc/a.wav", SOUND)])), "leads outside"),
        (status(404), "404 Client Error"),
    ],
)
def test_a_dataverse_that_answers_otherwise(
    tmp_path: Path, corpora: Corpora, server: Server, answer: Answer, message: str
) -> None:
    server[LISTING] = answer
    with pytest.raises(PipelineError, match=message):
        download(of_dataverse(server.url), corpora, tmp_path / "build/tess", IMPATIENT)
    assert not (tmp_path / "build/tess").exists()
    assert set(server.asked) == {LISTING}


# Missing


def test_savee_is_never_fetched(tmp_path: Path, corpora: Corpora, caplog: pytest.LogCaptureFixture) -> None:
    download(CORPORA["savee"], corpora, tmp_path / "build/savee", IMPATIENT)
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "http://kahlan.eps.surrey.ac.uk/savee/" in message
    assert str(corpora.folder / "AudioData.zip") in message
    assert "dvc repro --force --single-item download@savee" in message
    assert files_of(tmp_path / "build/savee") == ["source.json"]
    source = source_of(tmp_path / "build/savee")
    assert (source["state"], source["files"], source["from"]) == ("missing", 0, None)
    assert "registration" in source["reason"]
    assert source["what to do"] in message
    elsewhere = corpora.model_copy(update={"address": {"savee": "http://127.0.0.1:1/AudioData.zip"}})
    with pytest.raises(PipelineError, match="savee is never fetched"):
        download(CORPORA["savee"], elsewhere, tmp_path / "build/savee", IMPATIENT)


@pytest.mark.parametrize("make", [of_archive, lambda url: of_files(url, CLIPS), of_dataverse])
def test_out_of_reach_is_missing(tmp_path: Path, corpora: Corpora, make: Callable[[str], Corpus]) -> None:
    corpus = make("http://127.0.0.1:1")
    download(corpus, corpora, tmp_path / "build/out", IMPATIENT)
    source = source_of(tmp_path / "build/out")
    assert source["state"] == "missing"
    assert "http://127.0.0.1:1" in source["reason"]
    assert "Connection refused" in source["reason"]
    assert str(corpora.folder / corpus.archive) in source["what to do"]
    nothing = corpora.model_copy(update={"require": [corpus.name]})
    with pytest.raises(PipelineError, match=rf"is missing: .* or take {corpus.name} out of corpora\.require"):
        download(corpus, nothing, tmp_path / "build/required", IMPATIENT)
    assert not (tmp_path / "build/required").exists()


def test_a_server_that_never_answers_is_out_of_reach(
    tmp_path: Path, corpora: Corpora, server: Server
) -> None:
    server["/ravdess.zip"] = silent
    download(of_archive(server.url), corpora, tmp_path / "build/ravdess", IMPATIENT)
    assert "timed out" in source_of(tmp_path / "build/ravdess")["reason"]


def test_nothing_is_fetched_where_downloading_is_off(
    tmp_path: Path, corpora: Corpora, server: Server
) -> None:
    server["/ravdess.zip"] = good(ARCHIVE)
    off = corpora.model_copy(update={"download": False})
    download(of_archive(server.url), off, tmp_path / "build/ravdess", IMPATIENT)
    assert "corpora.download is off" in source_of(tmp_path / "build/ravdess")["reason"]
    assert not server.asked


# The command line


def command(*overrides: str, folder: Path) -> list[str]:
    choices = ["corpora=full", f"corpora.folder={folder}/data", f"build={folder}/build"]
    return [sys.executable, "-m", "pipeline.download", *choices, *overrides]


def run(*overrides: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    line = command(*overrides, folder=folder)
    return subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_command_line(tmp_path: Path, server: Server) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "TESS.zip").write_bytes(ARCHIVE)
    assert run("corpus=tess", folder=tmp_path).returncode == 0
    assert source_of(tmp_path / "build/download/tess")["files"] == 2

    savee = run("corpus=savee", folder=tmp_path)
    assert (savee.returncode, savee.stderr.count("is missing")) == (0, 1)
    required = run("corpus=savee", "corpora.require=[savee]", folder=tmp_path)
    assert (required.returncode, required.stderr.startswith("error: Surrey")) == (1, True)

    gone = run("corpus=ravdess", f"+corpora.address.ravdess={server.url}/a.zip", folder=tmp_path)
    assert (gone.returncode, "404" in gone.stderr, "Traceback" in gone.stderr) == (1, True, False)
    unnamed = run(folder=tmp_path)
    assert (unnamed.returncode, "which corpus?" in unnamed.stderr) == (1, True)
    assert sorted(path.name for path in (tmp_path / "build/download").iterdir()) == ["savee", "tess"]


def test_killed_and_run_again(tmp_path: Path, server: Server) -> None:
    big = SOUND * 100
    server[LISTING] = good(listing([entry(1, "a.wav", SOUND), entry(2, "b.wav", big)]))
    server["/api/access/datafile/1"] = good(SOUND)
    server["/api/access/datafile/2"] = [stalling(big), good(big)]
    overrides = ("corpus=tess", f"+corpora.address.tess={server.url}")
    line = command(*overrides, folder=tmp_path)
    with subprocess.Popen(line, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        deadline = time.monotonic() + 60
        while not halves(tmp_path / "cache/tess") or not (tmp_path / "cache/tess/a.wav").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "build/download/tess").exists()
    assert run(*overrides, folder=tmp_path).returncode == 0
    assert files_of(tmp_path / "build") == [
        f"download/tess/{name}" for name in ("a.wav", "b.wav", "source.json")
    ]
    assert (tmp_path / "build/download/tess/b.wav").read_bytes() == big
    assert server.asked == {LISTING: 2, "/api/access/datafile/1": 1, "/api/access/datafile/2": 2}


def halves(folder: Path) -> list[Path]:
    return [path for path in folder.glob("tmp*") if path.stat().st_size > 0]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("FULL DISK NOT TESTED: this needs to mount a tmpfs of 1 MB, which takes root")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("full", ["build", "copies", "cache"])
def test_a_full_disk(tmp_path: Path, small_disk: Path, server: Server, full: str, cache: Path) -> None:
    (tmp_path / "data").mkdir()
    big = zipped(a=os.urandom(2_000_000))
    overrides = ["corpus=tess"]
    if full == "build":
        (tmp_path / "data/TESS.zip").write_bytes(big)
    elif full == "copies":
        (tmp_path / "data/TESS").mkdir()
        (tmp_path / "data/TESS/a.wav").write_bytes(big)
    else:
        server[LISTING] = good(listing([entry(1, "a.wav", big)]))
        server["/api/access/datafile/1"] = good(big)
        overrides += [f"+corpora.address.tess={server.url}"]
        cache.symlink_to(small_disk)
    ended = run(*overrides, *([] if full == "cache" else [f"build={small_disk}/build"]), folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1].startswith("error: No space left on device (")
    assert str(tmp_path) in ended.stderr
    assert "Traceback" not in ended.stderr
    assert [p.name for p in small_disk.rglob("*") if p.is_file()] in ([], ["dataset.json"])
