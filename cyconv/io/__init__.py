"""Weights in and out of files, without trusting the file. Layer of the house: above models; called by users and the command line."""

from cyconv.io.weights import WeightsError, load_weights, save_weights

__all__ = ["WeightsError", "load_weights", "save_weights"]
