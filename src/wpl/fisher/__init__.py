"""Diagonal Fisher information.

``estimate`` has the loop over batches: ``batches`` finds inputs and targets in a batch, one of the
``engines`` calls the model with them and back-propagates the vectors of ``scores``. Where a weight
is used, its ``layers`` say what that contributes, and ``accumulation`` squares and adds it.

The names are loaded lazily; modules of this project import them from their own module.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
