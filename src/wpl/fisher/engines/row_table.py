"""Which functions treat the samples in which way, by name without underscores."""

from wpl.fisher.engines import row_layers, row_rules
from wpl.fisher.engines.row_rules import Rule

_NAMES: dict[Rule, str] = {
    row_rules.elementwise: """
        abs add addcdiv addcmul and bfloat16 bool celu clamp clamp_max clamp_min clone contiguous
        copy cos cpu cuda data detach div double dropout elu empty_like eq erf exp expm1 fill float
        full_like ge gelu gt half hardsigmoid hardswish hardtanh iadd idiv imul invert isfinite
        isinf isnan isub itruediv le leaky_relu lerp log log1p logical_and logical_not logical_or
        logsigmoid lt masked_fill maximum minimum mish mul multiply ne neg negative ones_like or
        pow radd rdiv reciprocal relu relu6 rmul round rpow rsqrt rsub rtruediv selu sigmoid sign
        silu sin softplus softsign sqrt square sub subtract tan tanh tanhshrink true_divide truediv
        where xor zero zeros_like alpha_dropout feature_dropout dropout1d dropout2d dropout3d
    """,
    row_rules.cast: "to type type_as expand expand_as",
    row_rules.reshape: "flatten unflatten view reshape squeeze unsqueeze ravel view_as reshape_as",
    row_rules.transpose: "transpose swapaxes swapdims",
    row_rules.swap: "t T mT",
    row_rules.permute: "permute",
    row_rules.along: """
        sum mean amax amin logsumexp softmax log_softmax all any argmax argmin cumsum max min prod
        std var
    """,
    row_rules.getitem: "getitem",
    row_rules.join: "cat concat stack",
    row_rules.parts: "split chunk unbind iter",
    row_layers.linear: "linear",
    row_layers.matmul: "matmul bmm mm",
    row_layers.convolution: "conv1d conv2d conv3d",
    row_layers.pool: """
        max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_max_pool1d
        adaptive_max_pool2d adaptive_avg_pool1d adaptive_avg_pool2d
    """,
    row_layers.embedding: "embedding",
    row_layers.image: "group_norm",
    row_layers.layer_norm: "layer_norm rms_norm",
    row_layers.batch_norm: "batch_norm",
    row_layers.attention: "scaled_dot_product_attention",
    row_layers.recurrent: "lstm gru rnn_tanh rnn_relu",
}
RULES = {name: rule for rule, names in _NAMES.items() for name in names.split()}

# Their result is made of shapes, not of values.
CONSTANT = frozenset(["new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"])
