"""Weights and pictures from files, without trusting the file. Layer of the house: above models; called by users and the command line."""

from cyconv.io.images import load_images
from cyconv.io.weights import WeightsError, load_state_dict, save_state_dict
from cyconv.models.preprocess import ImageError

__all__ = ["ImageError", "WeightsError", "load_images", "load_state_dict", "save_state_dict"]
