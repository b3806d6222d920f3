"""What is done to the numbers of a view before a classifier sees them."""

from typing import Any

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler

POINTS = 200  # of each number's distribution that are kept


def scaled(model: Any, scale: str) -> Any:
    """Return `model` behind a scaler that learns from the clips it is trained on.

    Parameters
    ----------
    model : estimator
    scale : str
        ``"none"``; ``"standard"``, zero mean and unit variance; ``"quantile"``, each number to the place
        that it has among the training clips, drawn as a normal distribution: no clip, however loud or
        strange, is far away, and powers need no logarithm.

    Raises
    ------
    ValueError
        For any other name.
    """
    if scale == "none":
        return make_pipeline(FunctionTransformer(), model)
    if scale == "standard":
        return make_pipeline(StandardScaler(), model)
    if scale == "quantile":
        # All clips are looked at, so that nothing here is random.
        places = QuantileTransformer(n_quantiles=POINTS, output_distribution="normal", subsample=None)
        return make_pipeline(places, model)
    raise ValueError(f"scale must be none, standard or quantile, not {scale!r}")
