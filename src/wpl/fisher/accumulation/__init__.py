"""Sums of squares over samples."""
