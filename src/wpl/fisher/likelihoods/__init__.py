"""Distributions of labels given a model's outputs, one per file."""
