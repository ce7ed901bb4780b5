"""Weights and pictures from files, without trusting the file. Layer of the house: above models; called by users and the command line."""

from cyconv.io.images import ImageError, load_images, preprocess
from cyconv.io.weights import WeightsError, load_state_dict, save_state_dict

__all__ = ["ImageError", "WeightsError", "load_images", "load_state_dict", "preprocess", "save_state_dict"]
