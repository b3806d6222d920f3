"""Files damaged at random, each the same again from the same seed: pure functions of bytes."""

import re
from collections.abc import Callable

import numpy as np

HEAD = 256  # bytes at the beginning, where most headers are
# What a number in a header may be changed to: nothing, one, the largest of each kind and their neighbours.
EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 10**6, 2 * 10**7, 2**31 - 1, 2**31, 2**32 - 1)
# The names of parts whose lengths, rates and counts follow them or stand before them.
PARTS = re.compile(
    rb"RIFF|fmt |data|fact|FORM|COMM|SSND|fLaC|OggS|OpusHead|vorbis|Xing|Info|LAME|ftyp|moov|mvhd|trak|tkhd"
    rb"|elst|mdhd|stsd|mp4a|esds|alac|stts|stsc|stsz|stco|moof|traf|tfhd|trun|mdat"
    rb"|\x1aE\xdf\xa3|\x18S\x80g|\x15I\xa9f|\x16T\xaek|\x1fC\xb6u|\x1cS\xbbk"
)

Mutation = Callable[[bytes, np.random.Generator], bytes]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip up to 64 bits anywhere."""
    changed = bytearray(data)
    for place in rng.integers(len(data), size=rng.integers(1, 65)):
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off: half the times within the header."""
    return data[: rng.integers(min(HEAD, len(data)) if rng.random() < 0.5 else len(data))]


def edit(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace up to eight bytes at the beginning."""
    changed = bytearray(data)
    for place in rng.integers(min(HEAD, len(data)), size=rng.integers(1, 9)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def lie(data: bytes, rng: np.random.Generator) -> bytes:
    """Put extreme numbers, of up to four bytes, beside the names of up to three of the file's parts."""
    changed = bytearray(data)
    places = [(name.start(), name.end()) for name in PARTS.finditer(data)] or [(0, 0)]
    for _ in range(rng.integers(1, 4)):
        start, end = places[rng.integers(len(places))]
        width = int(rng.choice((1, 2, 4)))
        place = max(0, start - 4) if rng.random() < 0.3 else end + int(rng.integers(24))
        number = EXTREMES[rng.integers(len(EXTREMES))] % 2 ** (8 * width)
        changed[place : place + width] = number.to_bytes(width, "little" if rng.random() < 0.5 else "big")
    return bytes(changed)


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """Insert a piece of the file up to 50 times elsewhere in it."""
    start, place = rng.integers(len(data), size=2)
    piece = data[start : start + rng.integers(1, 4096)]
    return data[:place] + piece * int(rng.integers(1, 51)) + data[place:]


def remove(data: bytes, rng: np.random.Generator) -> bytes:
    """Take a piece out."""
    start = rng.integers(len(data))
    return data[:start] + data[start + rng.integers(1, 4096) :]


def fill(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a piece with one value, or with noise."""
    start = rng.integers(len(data))
    length = len(data[start : start + rng.integers(1, 4096)])
    noise = rng.bytes(length) if rng.random() < 0.5 else bytes([rng.integers(256)]) * length
    return data[:start] + noise + data[start + length :]


MUTATIONS: tuple[Mutation, ...] = (flip, truncate, edit, lie, repeat, remove, fill)


def splice(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Begin as one file and go on as another."""
    return data[: rng.integers(len(data))] + other[rng.integers(len(other)) :]


def mutated(files: dict[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """Return the mutation of that number: the format that it was made from and its bytes.

    Parameters
    ----------
    files : dict of str to bytes
        A good file of each format; they take turns.
    seed, number : int
        What decides everything.
    """
    rng = np.random.default_rng((seed, number))
    names = sorted(files)
    name = names[number % len(names)]
    data = files[name]
    if rng.random() < 0.1:
        data = splice(data, files[names[rng.integers(len(names))]], rng)
    for _ in range(rng.integers(1, 4)):
        if data:
            data = MUTATIONS[rng.integers(len(MUTATIONS))](data, rng)
    return name, data
