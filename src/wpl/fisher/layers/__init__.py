"""Layers whose squared gradients have a closed form, one kind per file.

Most files register their functions when they are imported; see ``registry.register``.
"""

from wpl.fisher.layers import attention as attention
from wpl.fisher.layers import convolution as convolution
from wpl.fisher.layers import einsum as einsum
from wpl.fisher.layers import embedding as embedding
from wpl.fisher.layers import linear as linear
from wpl.fisher.layers import norms as norms
from wpl.fisher.layers import pooling as pooling
from wpl.fisher.layers import transposed_convolution as transposed_convolution
