"""Evaluate searches with a published ground truth: the accuracy of every architecture."""
