from pathlib import PurePosixPath

import pytest

from benchmarks.scale import SIZES
from pipeline.corpora import CORPORA


@pytest.mark.parametrize("corpus", CORPORA)
def test_as_published_has_as_many_different_clips_as_the_corpus(corpus: str) -> None:
    read = CORPORA[corpus].read
    found = [read(PurePosixPath(name)) for name in SIZES["as published"][corpus]]
    assert len({clip.id for clip in found if clip is not None}) == len(found) == CORPORA[corpus].clips
