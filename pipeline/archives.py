"""Archives from elsewhere, unpacked without trusting what they say about themselves."""

import bz2
import errno
import lzma
import re
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from pipeline.corpora.corpus import is_recording
from pipeline.stage import PipelineError

DRIVE = re.compile(r"[A-Za-z]:")
PIECE = 1 << 12  # bytes: the least that zipfile reads
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True)
class Limits:
    """What an archive of clips may grow to: above all four corpora, below what fills a disk.

    Attributes
    ----------
    members : int
        Entries of the archive.
    file, total : int
        Bytes unpacked, of one file and of all together.
    ratio : int
        Bytes unpacked for each byte of the archive; asked only of archives that unpack to more than
        `file`, as a few silent clips may well shrink a thousandfold.
    """

    members: int = 200_000
    file: int = 200 * 10**6
    total: int = 20 * 10**9
    ratio: int = 100


def unpack(archive: Path, folder: Path, limits: Limits = Limits()) -> list[PurePosixPath]:
    """Unpack the recordings of a zip archive below a folder.

    All members are looked at before anything is written.

    Parameters
    ----------
    archive : Path
    folder : Path
        Exists; paths inside the archive are kept below it.
    limits : Limits

    Returns
    -------
    list of PurePosixPath
        What was written, relative to `folder`.

    Raises
    ------
    PipelineError
        Where the archive is damaged or encrypted, has a member outside of `folder`, a link or other
        special file, two members of one name, or more or larger members than `limits` allow, or lies
        about their sizes; where it holds no recording.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            wanted = _inspect(archive, opened.infolist(), limits)
            for path, member in wanted.items():
                _write(archive, opened, member, folder / path)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # about the disk; bzip2 reports damaged data as an OSError without a number
        raise PipelineError(
            f"{archive} is damaged or not a whole zip archive ({error or 'it ends too early'}): "
            "delete it and get it again"
        ) from None
    return list(wanted)


@contextmanager
def writing(target: Path) -> Iterator[BinaryIO]:
    """Open a file to write; a full disk, which does not say where it is full, is told which file it was."""
    try:
        with target.open("wb") as sink:
            yield sink
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            error.filename = str(target)
        raise


def check_paths(names: Iterable[str], origin: str) -> list[PurePosixPath]:
    r"""Turn names from elsewhere into relative paths that stay where they are put, each its own file.

    Parameters
    ----------
    names : iterable of str
        ``/`` and ``\`` both separate folders, as some archivers write the latter.
    origin : str
        Whose names they are, for the message.

    Raises
    ------
    PipelineError
        For an absolute path, a drive letter, ``..``, and for names that fall together, on a file system
        that ignores case or accents' encoding too, or that need one file to be a folder as well.
    """
    paths: dict[PurePosixPath, str] = {}
    for name in names:
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or DRIVE.match(name) or ".." in path.parts or not path.parts:
            raise PipelineError(
                f"{origin}: {name!r} leads outside of its folder: refused, nothing was unpacked"
            )
        key = PurePosixPath(unicodedata.normalize("NFC", str(path)).casefold())
        if key in paths:
            raise PipelineError(f"{origin}: {name!r} and {paths[key]!r} would be one file: refused")
        paths[key] = str(path)
    for key, name in paths.items():
        if any(parent in paths for parent in key.parents):
            raise PipelineError(f"{origin}: {name!r} lies below what is a file: refused")
    return [PurePosixPath(name) for name in paths.values()]


def _inspect(
    archive: Path, members: list[zipfile.ZipInfo], limits: Limits
) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Refuse an archive that means harm; return its recordings by path."""

    def refuse(what: str) -> PipelineError:
        return PipelineError(
            f"{archive}: {what}: refused, nothing was unpacked; is it the published archive?"
        )

    if len(members) > limits.members:
        raise refuse(f"{len(members)} members, more than the {limits.members} that are allowed")
    files = [member for member in members if not member.is_dir()]
    for member in members:
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise refuse(f"{member.filename!r} is a link or a special file")
        if member.flag_bits & 0x1:
            raise refuse(f"{member.filename!r} is encrypted")
        if member.compress_type not in METHODS:
            raise refuse(f"{member.filename!r} is compressed by a method that is not known here")
        if member.file_size > limits.file:
            raise refuse(
                f"{member.filename!r} unpacks to {member.file_size:,} bytes, allowed are {limits.file:,}"
            )
    total = sum(member.file_size for member in files)
    size = archive.stat().st_size
    if total > limits.total or total > max(limits.file, limits.ratio * size):
        raise refuse(f"its {size:,} bytes unpack to {total:,}")
    for member in members:
        check_paths([member.filename], str(archive))
    recordings = [
        member for member in files if is_recording(PurePosixPath(member.filename.replace("\\", "/")))
    ]
    if not recordings:
        raise refuse("it holds no recording (.wav)")
    paths = check_paths((member.filename for member in recordings), str(archive))
    return dict(zip(paths, recordings, strict=True))


def _write(archive: Path, opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Unpack one member, no further than the length that the archive says it has."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written, checksum = 0, 0
    with _reading(opened, member) as source, writing(target) as sink:
        while written <= member.file_size and (piece := source.read(PIECE)):
            sink.write(piece)
            written += len(piece)
            checksum = zlib.crc32(piece, checksum)
    if written != member.file_size:
        raise PipelineError(
            f"{archive}: {member.filename!r} is not the {member.file_size:,} bytes long that it says: "
            "refused; is it the published archive?"
        )
    if checksum != member.CRC:
        raise zipfile.BadZipFile(f"wrong checksum of {member.filename!r}")


@contextmanager
def _reading(opened: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[IO[bytes]]:
    """Open a member so that a read takes no more memory than it returns.

    zipfile unpacks all of bzip2 that it has read at once, and 800 bytes may hold 2 GB: such a member is
    taken out packed and left to bz2. (Of LZMA, a piece holds 7,000 times its size at worst.)
    """
    if member.compress_type != zipfile.ZIP_BZIP2:
        with opened.open(member) as source:
            yield source
        return
    packed = copy(member)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    del packed.CRC  # is that of the unpacked bytes
    with opened.open(packed) as stored, bz2.open(stored) as source:
        yield source
