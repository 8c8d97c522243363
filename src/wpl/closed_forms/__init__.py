"""Squares of the gradient of each sample, in closed form for each layer, without the gradients.

A forward pass is recorded call by call (``recorder``), or module by module if the model is a plain
chain of layers (``chain``). Where a weight is used in a known way, the sum of squares follows from
the input there and the gradient of the output, in one product of the size that autograd would need
for the weight's gradient. What is not known goes to ``per_sample``.
"""
