"""Sound inside the containers that phones and browsers write, M4A and WebM, decoded by FFmpeg through PyAV.

FFmpeg opens much more than files and believes what they say of themselves. Here it reads bytes in memory
alone, knows a few formats, and takes little memory at a time.
"""

import ctypes
import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

# By FFmpeg's names. FLAC is here for streams without a length, which libsndfile cannot read.
FORMATS = ("mov", "matroska", "aac", "flac")
CODECS = ("aac", "alac", "opus", "libopus", "vorbis", "flac", "mp3", "mp3float", "amrnb", "amrwb")
MAX_PACKETS = 2**18  # ten minutes of Opus's shortest, 2.5 ms; each costs time, however little it holds
MAX_TRACKS = 8
# An index of 20 bytes may claim 178 million packets, for which FFmpeg would take 6 GB.
MAX_ALLOCATION = 16 * 2**20  # bytes at once: an index of 700,000 packets
OPTIONS = {
    "format_whitelist": ",".join(FORMATS),  # no playlists, which name other files and addresses
    "codec_whitelist": ",".join(CODECS),  # no video either
    "protocol_whitelist": "none",
    "max_streams": str(MAX_TRACKS),
}


class TrackError(ValueError):
    """A container whose sound cannot be had; the message says why, to people."""


def blocks(data: bytes) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Decode the first audio track, a little at a time.

    A track that is damaged or cut further on ends there.

    Parameters
    ----------
    data : bytes
        MP4, M4A, MOV or 3GP; WebM or Matroska; AAC without container; FLAC.

    Yields
    ------
    samples : ndarray of float32, shape (n, channels)
        What follows.
    rate : int
        Hz, the same every time.

    Raises
    ------
    TrackError
        Where there is no track to be decoded, or one of too many packets.
    av.FFmpegError
        Where nothing can be read.
    """
    import av  # noqa: PLC0415  # a sixth of a second, for some sounds alone

    ctypes.CDLL(av._core.__file__).av_max_alloc(ctypes.c_size_t(MAX_ALLOCATION))
    with av.open(io.BytesIO(data), "r", options=OPTIONS, io_open=_open_nothing) as container:
        if not container.streams.audio:
            raise TrackError("the file has no audio track")
        track = container.streams.audio[0]
        if track.codec_context is None or track.codec_context.name not in CODECS:
            raise TrackError("the file's audio track is encoded in a way that is not known here")
        converter = av.AudioResampler(format="flt")  # the rate stays
        begun = False
        try:
            for count, packet in enumerate(container.demux(track)):
                if count == MAX_PACKETS:
                    raise TrackError(f"the file's audio track has more than {MAX_PACKETS} packets")
                for frame in packet.decode():
                    for part in converter.resample(frame):
                        begun = True
                        samples = part.to_ndarray().astype(np.float32, copy=False)
                        yield samples.reshape(part.samples, -1), part.sample_rate
        except av.FFmpegError:
            if not begun:
                raise


def _open_nothing(url: str, flags: int, options: object) -> object:
    """Stand where FFmpeg opens what a file names beside itself."""
    raise PermissionError("a sound names no other files")
