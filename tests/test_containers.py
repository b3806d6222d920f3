import io
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from benchmarks.formats import contained
from pipeline import containers
from pipeline.audio import RATE, AudioError, decode
from pipeline.containers import TrackError, blocks

TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.float32)
M4A = contained(TONE, "ipod", "aac", {})
WEBM = contained(TONE, "webm", "libopus", {})


def film(sound: bytes | None) -> bytes:
    """Return a film of a tenth of a second, with a sound track or without."""
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as target:
        pictures = target.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        if sound is not None:
            with av.open(io.BytesIO(sound)) as source:
                track = target.add_stream_from_template(source.streams.audio[0])
                for packet in source.demux():
                    if packet.dts is not None:
                        packet.stream = track
                        target.mux(packet)
        target.mux(pictures.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
        target.mux(pictures.encode(None))
    return file.getvalue()


def joined(data: bytes) -> np.ndarray:
    return np.concatenate([part for part, _ in blocks(data)])


def test_a_track_comes_a_little_at_a_time():
    parts = list(blocks(M4A))
    assert len(parts) > 10
    assert {rate for _, rate in parts} == {RATE}
    assert all(part.dtype == np.float32 and part.shape[1] == 1 for part, _ in parts)
    assert sum(len(part) for part, _ in parts) == pytest.approx(RATE, abs=1024)


def test_films_are_only_heard():
    assert np.array_equal(joined(film(M4A)), joined(M4A))


def test_a_film_without_sound_says_so():
    with pytest.raises(TrackError, match="no audio track"):
        joined(film(None))
    with pytest.raises(AudioError, match="no audio track"):
        decode(film(None))


def test_a_track_in_another_code_says_so():
    samples = (TONE * 2**15).astype(np.int16)
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as target:
        track = target.add_stream("pcm_s16le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "s16", "mono")
        frame.sample_rate = RATE
        target.mux(track.encode(frame))
    with pytest.raises(TrackError, match="encoded"):
        joined(file.getvalue())


def test_too_many_packets_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(containers, "MAX_PACKETS", 10)
    with pytest.raises(TrackError, match="more than 10 packets"):
        joined(WEBM)
    with pytest.raises(AudioError, match="more than 10 packets"):
        decode(WEBM)


def test_a_damaged_track_ends_where_the_damage_begins():
    damaged = bytearray(M4A)
    middle = damaged.index(b"mdat") + 3_000
    damaged[middle : middle + 1_000] = b"\xff" * 1_000
    heard, whole = joined(bytes(damaged)), joined(M4A)
    assert 2_000 < len(heard) < len(whole)
    assert np.array_equal(heard[:2_000], whole[:2_000])


def playlist(target: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{target}\n#EXT-X-ENDLIST\n".encode()


def concatenation(target: str) -> bytes:
    return f"ffconcat version 1.0\nfile '{target}'\n".encode()


@pytest.mark.parametrize("written", [playlist, concatenation])
def test_a_file_that_another_names_is_not_opened(written: object, tmp_path: Path):
    path = tmp_path / "secret.aac"
    path.write_bytes(contained(TONE, "adts", "aac", {}))
    data = written(path.name if written is concatenation else f"file://{path}")
    unguarded = {"safe": "0", "allowed_extensions": "ALL", "extension_picky": "0"}
    name = str(tmp_path / "list.m3u8")  # FFmpeg itself would follow it
    Path(name).write_bytes(data)
    with av.open(name, options=unguarded) as followed:
        assert followed.streams.audio[0].rate == RATE
    with pytest.raises(AudioError) as refused:
        decode(data)
    assert refused.value.code == "unreadable"
    with pytest.raises(av.FFmpegError):
        joined(data)


def test_an_address_that_a_file_names_is_not_fetched():
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        port = trap.getsockname()[1]
        address = f"http://127.0.0.1:{port}/a.aac"
        session = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n"
        for data in (playlist(address), concatenation(address), session.encode(), address.encode()):
            with pytest.raises(AudioError):
                decode(data)
        with pytest.raises(TimeoutError):
            trap.accept()


INDEX = """
import resource, struct, sys
from pipeline.audio import AudioError, decode
from tests_of_index import DATA
decode(DATA)
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
i = DATA.index(b"stsz")
evil = DATA[: i + 8] + struct.pack(">II", 1, int(sys.argv[1])) + DATA[i + 16 :]
i = evil.index(b"stsc")
for entry in range(struct.unpack(">I", evil[i + 8 : i + 12])[0]):
    place = i + 16 + 12 * entry
    evil = evil[:place] + struct.pack(">I", int(sys.argv[1])) + evil[place + 4 :]
try:
    decode(evil)
except AudioError:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) // 1024)
"""


@pytest.mark.parametrize("packets", [700_000, 20_000_000, 150_000_000])
def test_an_index_takes_no_more_memory_than_it_may(packets: int, tmp_path: Path):
    (tmp_path / "tests_of_index.py").write_text(f"DATA = {M4A!r}")
    done = subprocess.run(
        [sys.executable, "-c", INDEX, str(packets)],
        env={"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert int(done.stdout) < 100  # MiB; without a limit, 700 for twenty million
