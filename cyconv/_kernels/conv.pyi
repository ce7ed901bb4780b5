from typing import Any

from cyconv._kernels.step import Step

class Conv(Step):
    # spec is cyconv.graph.lower_conv.ConvSpec, which lies above this layer.
    def __init__(self, spec: Any) -> None: ...
