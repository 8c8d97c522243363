"""Squares of the gradient of each sample, in closed form for each layer, without the gradients.

A forward pass is recorded call by call (``recorder``); where a call uses a weight in a known way,
the sum of squares follows from its input and the gradient of its output, in one product of the size
that autograd would need for the weight's gradient. What is not known goes to ``per_sample``.
"""
