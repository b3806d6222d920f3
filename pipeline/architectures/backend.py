"""Keras as the networks need it: on TensorFlow, without its remarks, repeating results exactly."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what it says of processors and drivers helps nobody

import keras
import tensorflow as tf

tf.config.experimental.enable_op_determinism()

__all__ = ["keras", "tf"]
