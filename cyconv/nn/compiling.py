"""compile, the function that makes a plan of a network.

Layer: nn; called by the user, and by nothing in the package below the command line.
"""

from __future__ import annotations

from cyconv.graph.options import WEIGHT_BUDGET
from cyconv.graph.plan import Plan
from cyconv.nn.module import Module
from cyconv.nn.plans import compile_module
from cyconv.shapes import check_shape


def compile(
    module: Module,
    input_shape,
    num_threads: int | None = None,
    winograd: str = "auto",
    weights: str = "float32",
    tolerance: float | None = None,
    choices=None,
    weight_budget: int = WEIGHT_BUDGET,
) -> Plan:
    """Compile a network for one input shape.

    Parameters
    ----------
    module : Module
        In eval mode.
    input_shape : tuple of int, or list of tuples of int
        The shape of its input, such as ``(1, 3, 224, 224)``; a list for a network with several inputs.
    num_threads : int, optional
        Threads that the plan uses; the number of CPUs that the process may use when left out. It never changes the result.
    winograd : str
        "auto" lets convolutions use Winograd's algorithm where it is expected to be faster, "off" computes all directly; a kind such as
        "F(4,3)" (of 4x4 outputs, for 3x3 kernels) is what all suitable ones use. :mod:`cyconv.winograd` lists them; F(6,3) and F(4,5)
        err several times as much as the others, so "auto" takes them only with a ``tolerance`` that admits them. Winograd rounds
        otherwise than direct convolution (``error_bound``, same place), and a NaN or infinity in the input makes all outputs of
        the tiles that read it NaN, not only those of its own windows.
    weights : str
        How the weights of Linear layers are stored: "float32", or "bfloat16" for half the bytes, which is what their time is made of at
        small batches. They are rounded to nearest, even, once; sums are taken in float32. The error of a layer is at most
        2⁻⁸·Σ|x||w| (:mod:`cyconv.bfloat16`), 2.5e-3 of the output's L2 norm where sums do not cancel more than random ones
        do; ``plan.accuracy(x)`` reports it. Same bits for any batch size and number of threads, as ever.
    tolerance : float, optional
        The largest relative error (L2, against float64) that the algorithm of any layer may have, such as 1e-6. The error of each
        algorithm is measured when the plan is compiled, with the layer's weights and random inputs, as :mod:`cyconv.graph.tolerance`
        says; a layer gets the fastest one that is exact enough, which may be direct convolution or a smaller Winograd kind, and a
        Linear layer falls back to float32. Compiling takes a little longer.
    choices : dict or path, optional
        What computes each layer, from ``plan.choices()`` or a file of ``plan.save_choices(path)``. It goes before ``winograd``,
        ``weights`` and ``weight_budget``; layers that it does not name are chosen as without it.
    weight_budget : int, optional
        Bytes that weights transformed for Winograd may take in all, where ``winograd`` is "auto"; 512 MiB when left out. Layers that
        lose least by it get smaller weights.

    Returns
    -------
    Plan
        Called with float32 arrays of these shapes it gives the network's output. It is independent of later changes of ``module``.

    Raises
    ------
    TypeError
        When ``module`` is no module, ``input_shape`` holds no ints, or an option is of the wrong type.
    ValueError
        When the network cannot take input of this shape, or is in training mode where that matters; when an option is unknown, when no
        algorithm of a layer keeps within ``tolerance``, or when ``choices`` are malformed or do not fit the network.
    OSError
        When the file of ``choices`` cannot be read.
    """
    if not isinstance(module, Module):
        raise TypeError(f"module: expected a cyconv.nn.Module, got {type(module).__name__}")
    several = isinstance(input_shape, (list, tuple)) and any(isinstance(s, (list, tuple)) for s in input_shape)
    shapes = tuple(check_shape(shape, "input_shape") for shape in (input_shape if several else [input_shape]))
    options = {"winograd": winograd, "weights": weights, "tolerance": tolerance, "choices": choices, "weight_budget": weight_budget}
    return compile_module(module, shapes, num_threads, **options)
