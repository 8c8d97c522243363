"""The experiments: their data, files, models and searches; not part of the wheel."""
