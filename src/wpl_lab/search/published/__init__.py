"""Searches judged by a published truth: what others measured of every architecture."""
