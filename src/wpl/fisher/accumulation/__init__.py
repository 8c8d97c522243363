"""Contributions to the gradients of samples, accumulated as squares or as norms."""
