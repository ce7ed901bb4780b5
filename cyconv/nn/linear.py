"""The fully connected layer."""

from __future__ import annotations

from cyconv import functional as F
from cyconv.nn import init
from cyconv.nn.module import Module
from cyconv.shapes import integer


class Linear(Module):
    """``x · weightᵀ + bias``, see :func:`cyconv.functional.linear`; weight [out_features, in_features]."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True):
        super().__init__()
        self.in_features = integer(in_features, "in_features", 0)
        self.out_features = integer(out_features, "out_features", 0)
        shape = (out_features, in_features)
        self.register_parameter("weight", init.kaiming_uniform(shape))
        self.register_parameter("bias", init.bias_uniform(out_features, shape) if bias else None)

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
