"""Evaluation of the searches: comparison with the ground truth and with random search."""
