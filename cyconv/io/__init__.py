"""Weights and pictures from files, without trusting the file. Layer of the house: above models; called by users and the command line."""

from cyconv.io.images import ImageError, load_images, preprocess
from cyconv.io.weights import WeightsError, load_weights, save_weights

__all__ = ["ImageError", "WeightsError", "load_images", "load_weights", "preprocess", "save_weights"]
