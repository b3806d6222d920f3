import sys

import numpy as np
import pytest

from pipeline.acoustics.opensmile import OpenSmile


def test_without_opensmile_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)  # as if it were not installed
    with pytest.raises(ValueError, match=r"research only.*pip install opensmile"):
        OpenSmile()(np.zeros(1600, np.float32))
