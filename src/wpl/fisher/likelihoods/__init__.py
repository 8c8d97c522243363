"""The distributions of labels given a model's outputs; a file for each."""
