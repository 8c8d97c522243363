"""Layers whose squared gradients have a closed form, one kind a file."""
