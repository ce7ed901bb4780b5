"""PyTorch's functions on NumPy arrays: names, arguments, defaults and error conditions are those of ``torch.nn.functional``.

On arrays a function runs at once, through a plan that is compiled for these shapes and options and kept in a bounded
cache; the result is a new array. Inside a trace (the forward of a :class:`cyconv.nn.Module`) the same function records
ops and takes and gives traced values. Arrays are float32; another dtype is refused with the conversion to write.
Denormal numbers may be flushed to zero. Layer of the house: above graph, below nn. One file per family, as in ops.
"""

from cyconv.functional.activation import (
    dropout,
    elu,
    gelu,
    hardsigmoid,
    hardswish,
    leaky_relu,
    log_softmax,
    prelu,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from cyconv.functional.adaptive import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from cyconv.functional.arithmetic import add, linear, matmul, mul
from cyconv.functional.conv import conv1d, conv2d, conv3d
from cyconv.functional.conv_transpose import conv_transpose1d, conv_transpose2d, conv_transpose3d
from cyconv.functional.form import (
    channel_shuffle,
    flatten,
    permute,
    pixel_shuffle,
    pixel_unshuffle,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)
from cyconv.functional.movement import cat, chunk, pad, split, stack
from cyconv.functional.norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm
from cyconv.functional.pool import avg_pool1d, avg_pool2d, avg_pool3d, lp_pool1d, lp_pool2d, lp_pool3d, max_pool1d, max_pool2d, max_pool3d

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "add",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "cat",
    "channel_shuffle",
    "chunk",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "dropout",
    "elu",
    "flatten",
    "gelu",
    "group_norm",
    "hardsigmoid",
    "hardswish",
    "instance_norm",
    "layer_norm",
    "leaky_relu",
    "linear",
    "local_response_norm",
    "log_softmax",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "matmul",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mul",
    "pad",
    "permute",
    "pixel_shuffle",
    "pixel_unshuffle",
    "prelu",
    "relu",
    "relu6",
    "reshape",
    "sigmoid",
    "silu",
    "softmax",
    "split",
    "squeeze",
    "stack",
    "tanh",
    "transpose",
    "unsqueeze",
]
