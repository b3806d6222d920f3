"""Archives that mean harm, archives that are damaged, and archives in order."""

import stat
import struct
import tracemalloc
import warnings
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from pipeline.archives import Limits, check_paths, unpack
from pipeline.stage import PipelineError

SOUND = bytes(range(256)) * 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "outer" / "unpacked"
    target.mkdir(parents=True)
    return target


def archive_of(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)
            member.compress_type = method
            member.filename = name  # as it is: ZipInfo would mend some
            archive.writestr(member, content)
    return path


def refused(archive: Path, folder: Path, message: str, limits: Limits | None = None) -> None:
    with pytest.raises(PipelineError, match=message) as error:
        unpack(archive, folder, limits or Limits())
    assert str(archive) in str(error.value)
    assert list(folder.rglob("*")) == []
    assert [path for path in folder.parent.parent.rglob("*") if path.is_file()] == [archive]


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_recordings_come_out_as_they_went_in(tmp_path: Path, folder: Path, method: int) -> None:
    members = {"Actor_01/a.wav": SOUND, "Actor_02/a.WAV": SOUND[::-1], "README.txt": b"no sound"}
    members |= {"__MACOSX/Actor_01/._a.wav": b"a fork", "Actor_02/._a.wav": b"a fork", "Actor_02/": b""}
    found = unpack(archive_of(tmp_path / "a.zip", members, method), folder)
    assert found == [PurePosixPath("Actor_01/a.wav"), PurePosixPath("Actor_02/a.WAV")]
    assert (folder / "Actor_01/a.wav").read_bytes() == SOUND
    assert (folder / "Actor_02/a.WAV").read_bytes() == SOUND[::-1]
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2


def test_backslashes_are_folders_too(tmp_path: Path, folder: Path) -> None:
    unpack(archive_of(tmp_path / "a.zip", {"DC\\a01.wav": SOUND}), folder)
    assert (folder / "DC" / "a01.wav").read_bytes() == SOUND


@pytest.mark.parametrize(
    "name",
    ["/etc/a.wav", "../a.wav", "b/../../a.wav", "..\\a.wav", "C:\\a.wav", "c:a.wav", "\\\\host\\a.wav"],
)
@pytest.mark.parametrize("suffix", ["", ".txt"])
def test_names_that_lead_outside(tmp_path: Path, folder: Path, name: str, suffix: str) -> None:
    archive = archive_of(tmp_path / "a.zip", {"good.wav": SOUND, name + suffix: SOUND})
    refused(archive, folder, "leads outside")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files(tmp_path: Path, folder: Path, kind: int) -> None:
    member = zipfile.ZipInfo("a.wav")
    member.create_system = 3
    member.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("good.wav", SOUND)
        archive.writestr(member, "/etc/passwd")
    refused(tmp_path / "a.zip", folder, r"'a\.wav' is a link or a special file")


def test_encrypted(tmp_path: Path, folder: Path) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav": SOUND}, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # flags of the local header, then of the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(content)
    refused(archive, folder, "encrypted")


def test_unknown_compression(tmp_path: Path, folder: Path) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav": SOUND}, zipfile.ZIP_STORED)
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\x01\x02") + 10] = 98  # PPMd
    archive.write_bytes(content)
    refused(archive, folder, "a method that is not known")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(members=2), "3 members"),
        (Limits(file=len(SOUND) - 1), "unpacks to 10,240 bytes"),
        (Limits(total=3 * len(SOUND) - 1), "unpack to 30,720"),
        (Limits(file=len(SOUND), ratio=2), "unpack to 30,720"),
    ],
)
def test_absurd_sizes(tmp_path: Path, folder: Path, limits: Limits, message: str) -> None:
    archive = archive_of(tmp_path / "a.zip", {f"{n}.wav": SOUND for n in range(3)})
    refused(archive, folder, message, limits)
    unpack(archive, folder)  # which is within the limits that hold for all
    assert len(list(folder.iterdir())) == 3


def test_a_bomb(tmp_path: Path, folder: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"{n}.wav", bytes(80 * 10**6))
    refused(tmp_path / "a.zip", folder, "unpack to 240,000,000")


@pytest.mark.parametrize(
    ("declared", "message"), [(2 * len(SOUND), "not the 20,480 bytes long"), (100, "100 bytes long|damaged")]
)
@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_sizes_that_lie(tmp_path: Path, folder: Path, method: int, declared: int, message: str) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav": SOUND}, method)
    content = bytearray(archive.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, declared)
    archive.write_bytes(content)
    with pytest.raises(PipelineError, match=message):
        unpack(archive, folder)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_that_lies_takes_neither_disk_nor_memory(tmp_path: Path, folder: Path, method: int) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav": bytes(300 * 10**6)}, method)
    content = bytearray(archive.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 100)
    archive.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(PipelineError, match=r"100 bytes long|damaged"):
        unpack(archive, folder)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 * 10**6
    assert sum(path.stat().st_size for path in folder.rglob("*.wav")) < 10**6


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a.wav", "a.wav"),
        ("a.wav", "A.WAV"),
        ("b/a.wav", "B//a.wav"),
        ("\u00e9.wav", "e\u0301.wav"),
        ("./a.wav", "a.wav"),
    ],
)
def test_names_that_fall_together(tmp_path: Path, folder: Path, first: str, second: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile minds a duplicate too
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(first, SOUND)
            archive.writestr(second, SOUND)
    refused(tmp_path / "a.zip", folder, "would be one file")


def test_a_file_that_should_be_a_folder_too(tmp_path: Path, folder: Path) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav/b.wav": SOUND, "a.wav": SOUND})
    refused(archive, folder, "lies below what is a file")


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_truncated_archive(tmp_path: Path, folder: Path, kept: float) -> None:
    archive = archive_of(tmp_path / "a.zip", {f"{n}.wav": SOUND for n in range(5)})
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else int(kept)])
    refused(archive, folder, "damaged or not a whole zip archive .*: delete it and get it again")


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_a_corrupt_archive(tmp_path: Path, folder: Path, method: int, place: float) -> None:
    archive = archive_of(tmp_path / "a.zip", {"a.wav": SOUND}, method)
    content = bytearray(archive.read_bytes())
    size = content.index(b"PK\x01\x02") - 40
    content[40 + int(place * size)] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(PipelineError, match=r"a\.zip is damaged"):
        unpack(archive, folder)


def test_an_archive_of_something_else(tmp_path: Path, folder: Path) -> None:
    refused(archive_of(tmp_path / "a.zip", {"thesis.pdf": SOUND}), folder, "holds no recording")


def test_paths_keep_their_order_and_writing() -> None:
    names = ["TESS/OAF_Fear/a.wav", "TESS/YAF_fear//a.wav", "Äb.wav"]
    assert check_paths(names, "somewhere") == [
        PurePosixPath("TESS/OAF_Fear/a.wav"),
        PurePosixPath("TESS/YAF_fear/a.wav"),
        PurePosixPath("Äb.wav"),
    ]
