from cyconv._kernels.step import Step
from cyconv._kernels.step import Operand

def lrn_scratch_floats(channels: int, lanes: int, size: int) -> int: ...

class Lrn(Step):
    def __init__(
        self, x: Operand, y: Operand, scratch: Operand, size: int, alpha: float, beta: float, k: float, max_threads: int
    ) -> None: ...

class Softmax(Step):
    def __init__(self, x: Operand, y: Operand, outer: int, n: int, inner: int, logarithm: bool) -> None: ...
