import numpy as np
import pytest
from hydra.utils import instantiate

from pipeline.architectures.lstm import LSTM


def test_the_original_is_what_it_was(configure):
    """128 bands into an LSTM of 128, dropout of a half, a dense layer of 32."""
    model = instantiate(configure("architecture=lstm_original").architecture, _convert_="all")
    assert isinstance(model, LSTM)
    network = model.build(model.preparation.bands, 6)
    kinds = {layer.__class__.__name__: layer for layer in network.layers}
    assert (kinds["LSTM"].units, kinds["Dropout"].rate) == (128, 0.5)
    assert [layer.units for layer in network.layers if layer.__class__.__name__ == "Dense"] == [32, 6]
    assert network.input_shape[0] == (None, None, 128)
    assert not {"Bidirectional", "Conv2D"} & set(kinds)


@pytest.mark.parametrize("pooling", ["last", "attention"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_its_parts_can_be_chosen(pooling: str, bidirectional: bool):
    model = LSTM(convolutions=(4, 4, 8), units=6, bidirectional=bidirectional, pooling=pooling)
    network = model.build(16, 3)
    values = np.random.default_rng(0).normal(size=(2, 64, 16)).astype(np.float32)
    present = np.ones((2, 64), np.float32)
    present[1, 32:] = values[1, 32:] = 0
    logits = np.asarray(network([values, present]))
    assert logits.shape == (2, 3)
    alone = np.asarray(network([values[1:, :32], present[1:, :32]]))
    assert np.abs(logits[1] - alone[0]).max() <= 1e-5
