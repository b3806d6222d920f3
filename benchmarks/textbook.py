"""The textbook service, to compare ours with: the usual features and a scikit-learn tree behind Flask.

    python -m benchmarks.textbook PORT

What it answers means nothing: its tree has learned from noise.
"""

import sys
from typing import Any

import librosa
import numpy as np
from flask import Flask, request
from sklearn.tree import DecisionTreeClassifier

from benchmarks.features import usual
from pipeline.audio import RATE

EMOTIONS = ("anger", "disgust", "fear", "happy", "neutral", "sad")


def application() -> Flask:
    """Return the application."""
    rng = np.random.default_rng(0)
    tree = DecisionTreeClassifier().fit(rng.normal(size=(1000, 193)), rng.choice(EMOTIONS, 1000))
    app = Flask(__name__)

    @app.post("/predict")
    def predict() -> dict[str, Any]:
        sound, _ = librosa.load(request.files["audio"], sr=RATE)
        (chances,) = tree.predict_proba(usual(sound)[None])
        return {"emotion": str(tree.classes_[chances.argmax()]), "probabilities": chances.tolist()}

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    usual(rng.normal(size=RATE).astype(np.float32))  # compiled before the first request
    return app


if __name__ == "__main__":
    application().run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
