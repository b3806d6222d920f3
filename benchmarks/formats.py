"""A clip in every format that the service reads, for its tests and its fuzzing."""

import io
from fractions import Fraction

import av
import numpy as np
import soundfile as sf

from pipeline.audio import RATE, Samples

# Name: what libsndfile calls container and encoding.
LOSSLESS = {
    "wav-16": ("WAV", "PCM_16"),
    "wav-24": ("WAV", "PCM_24"),
    "wav-32": ("WAV", "PCM_32"),
    "wav-float": ("WAV", "FLOAT"),
    "wav-extensible": ("WAVEX", "PCM_24"),
    "flac": ("FLAC", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
}
LOSSY = {
    "wav-8": ("WAV", "PCM_U8"),
    "wav-a-law": ("WAV", "ALAW"),
    "wav-mu-law": ("WAV", "ULAW"),
    "ogg-vorbis": ("OGG", "VORBIS"),
    "ogg-opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
# Name: what FFmpeg calls container and encoder, and the container's options.
CONTAINERS: dict[str, tuple[str, str, dict[str, str]]] = {
    "m4a-aac": ("ipod", "aac", {}),
    "m4a-alac": ("ipod", "alac", {}),
    "m4a-fragmented": ("mp4", "aac", {"movflags": "empty_moov+frag_keyframe+default_base_moof"}),
    "3gp-aac": ("3gp", "aac", {}),
    "aac": ("adts", "aac", {}),
    "webm-opus": ("webm", "libopus", {}),
    "webm-live": ("webm", "libopus", {"live": "1"}),  # as browsers record: no length, no index
}


def encoded(samples: Samples, container: str, subtype: str, rate: int = RATE) -> bytes:
    """Encode samples, shape (n,) or (n, channels), with libsndfile."""
    file = io.BytesIO()
    sf.write(file, samples, rate, format=container, subtype=subtype)
    return file.getvalue()


def contained(
    samples: Samples, container: str, codec: str, options: dict[str, str], rate: int = RATE
) -> bytes:
    """Encode mono samples, shape (n,), with FFmpeg."""
    file = io.BytesIO()
    with av.open(file, "w", format=container, container_options=options) as target:
        track = target.add_stream(codec, rate=rate, layout="mono")
        assert isinstance(track, av.AudioStream)
        for start in range(
            0, len(samples), rate
        ):  # decoding lets FFmpeg have no more than a little at a time
            second = samples[np.newaxis, start : start + rate].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(second, "fltp", "mono")
            frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), start
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    return file.getvalue()


def every(samples: Samples) -> dict[str, bytes]:
    """Return the file of mono 16 kHz samples in each format, by its name."""
    plain = {name: encoded(samples, *how) for name, how in (LOSSLESS | LOSSY).items()}
    return plain | {name: contained(samples, *how) for name, how in CONTAINERS.items()}
