"""Weight plasticity loss for models that share weights.

The public names are listed in ``__init__.pyi``; each module is imported when one of its names is
first used, so that a program loads no more of the library than it needs.

Notation of shapes in all docstrings: a tuple of the names of the dimensions, such as
``(batch, time, class)``.

- ``sample``: samples, each with a gradient of its own; ``batch``: the samples of one batch.
- ``time``: positions of a sequence; ``position``: all positions of a sample, as one dimension.
- ``class``: the outputs of one position; ``feature``, ``in``, ``out``, ``width``: units of a layer.
- ``seed``, ``model``: repetitions of a training, and models that are compared.
- ``...``: any further dimensions, the same in all shapes of a docstring.
- ``*shape``: the dimensions of a parameter.

"By name" stands for a mapping from the names of ``model.named_parameters()`` to tensors.
"""

import lazy_loader as _lazy

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
