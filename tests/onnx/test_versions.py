"""Operators in the forms of older opsets, which ONNX's own cases do not have: against ONNX Runtime, or NumPy below opset 7."""

import numpy as np
import pytest
from onnx import helper

import cyconv
from tests.onnx.helpers import compare, model, random, value

X = random(2, 3, 4, 5)
I64 = np.int64
# operator, opset, attributes, further inputs
CASES = {
    "Clip 6": ("Clip", 10, {"min": -0.5, "max": 0.75}, []),
    "Clip 6, one bound": ("Clip", 10, {"min": 0.25}, []),
    "Clip 11": ("Clip", 11, {}, [np.float32(-0.5), np.float32(0.75)]),
    "Clip 13, upper bound only": ("Clip", 13, {}, [None, np.float32(0.75)]),
    "Clip 13 as relu6": ("Clip", 13, {}, [np.float32(0), np.float32(6)]),
    "Pad 2": ("Pad", 10, {"pads": [0, 0, 1, 2, 0, 0, 3, 0], "value": 1.5}, []),
    "Pad 2, reflect": ("Pad", 10, {"pads": [0, 0, 1, 2, 0, 0, 3, 0], "mode": "reflect"}, []),
    "Pad 2, crop": ("Pad", 10, {"pads": [0, 0, -1, 2, 0, 0, 3, 0]}, []),
    "Pad 11, edge": ("Pad", 11, {"mode": "edge"}, [I64([0, 0, 1, 2, 0, 0, 3, 0])]),
    "Pad 18, axes": ("Pad", 18, {}, [I64([1, 2, 3, 0]), np.float32(2.5), I64([-2, 3])]),
    "Pad 19, wrap": ("Pad", 19, {"mode": "wrap"}, [I64([0, 0, 1, 2, 0, 0, 3, 0])]),
    "Slice 1": ("Slice", 9, {"starts": [1, -3], "ends": [3, 1000], "axes": [1, 3]}, []),
    "Slice 1, no axes": ("Slice", 9, {"starts": [0, 1], "ends": [1, 2]}, []),
    "Slice 10": ("Slice", 10, {}, [I64([4, 0]), I64([-100, 3]), I64([3, 1]), I64([-2, 2])]),
    "Slice 13, int32": ("Slice", 13, {}, [np.int32([1]), np.int32([3]), np.int32([-2])]),
    "Slice 13, backwards from before the first": ("Slice", 13, {}, [I64([-9, 3]), I64([-9, -9]), I64([1, 2]), I64([-1, -2])]),
    "Slice 13, empty": ("Slice", 13, {}, [I64([3]), I64([1]), I64([2])]),
    "Squeeze 1": ("Squeeze", 9, {"axes": [0]}, []),
    "Squeeze 11, all": ("Squeeze", 12, {}, []),
    "Squeeze 13": ("Squeeze", 13, {}, [I64([0])]),
    "Unsqueeze 1": ("Unsqueeze", 9, {"axes": [0, 3]}, []),
    "Unsqueeze 13": ("Unsqueeze", 13, {}, [I64([-1, 1])]),
    "ReduceSum 1": ("ReduceSum", 9, {"axes": [1, 3], "keepdims": 0}, []),
    "ReduceSum 13": ("ReduceSum", 13, {"keepdims": 0}, [I64([-1, 1])]),
    "ReduceSum 13, nothing to do": ("ReduceSum", 13, {"noop_with_empty_axes": 1}, []),
    "ReduceMean 1, as a global pool": ("ReduceMean", 9, {"axes": [2, 3]}, []),
    "ReduceMean 13": ("ReduceMean", 13, {"axes": [-2, -1], "keepdims": 0}, []),
    "ReduceMean 18": ("ReduceMean", 18, {}, [I64([1])]),
    "ReduceMean 1, all": ("ReduceMean", 9, {"keepdims": 0}, []),
    "ReduceL1 11": ("ReduceL1", 11, {"axes": [1, 3]}, []),
    "ReduceL2 1, all": ("ReduceL2", 9, {"keepdims": 0}, []),
    "ReduceL2 18": ("ReduceL2", 18, {"keepdims": 0}, [I64([1])]),
    "ReduceSumSquare 18": ("ReduceSumSquare", 18, {}, [I64([-1, 0])]),
    "ReduceMax 11": ("ReduceMax", 11, {"axes": [1]}, []),
    "ReduceMax 18": ("ReduceMax", 18, {"keepdims": 0}, [I64([1])]),
    "Softmax 1": ("Softmax", 9, {"axis": 2}, []),
    "Softmax 11": ("Softmax", 11, {"axis": -2}, []),
    "Softmax 13": ("Softmax", 13, {"axis": 2}, []),
    "LogSoftmax 1": ("LogSoftmax", 9, {}, []),
    "Dropout 7": ("Dropout", 9, {"ratio": 0.3}, []),
    "Dropout 10": ("Dropout", 11, {}, []),
    "Dropout 12": ("Dropout", 12, {}, [np.float32(0.5), np.False_]),
    "BatchNormalization 7": ("BatchNormalization", 8, {"epsilon": 1e-3}, [random(3), random(3), random(3), np.abs(random(3))]),
    "BatchNormalization 9": ("BatchNormalization", 9, {}, [random(3), random(3), random(3), np.abs(random(3)) + 1]),
    "Upsample 7": ("Upsample", 8, {"scales": [1.0, 1.0, 2.0, 3.0]}, []),
    "Upsample 7, linear": ("Upsample", 8, {"scales": [1.0, 1.0, 2.0, 1.5], "mode": "linear"}, []),
    "Upsample 9": ("Upsample", 9, {}, [np.float32([1, 1, 2.5, 3])]),
    "Resize 10": ("Resize", 10, {}, [np.float32([1, 1, 0.6, 2])]),
    "Resize 11": ("Resize", 11, {"mode": "linear"}, [np.float32([]), np.float32([1, 1, 2, 2])]),
    "Resize 13, sizes": ("Resize", 13, {"nearest_mode": "floor"}, [None, None, I64([2, 3, 7, 3])]),
    "Resize 19, axes": ("Resize", 19, {"axes": [3, 2], "mode": "linear"}, [None, None, I64([3, 7])]),
    "Tile 6": ("Tile", 9, {}, [I64([1, 2, 1, 3])]),
    "Expand 8": ("Expand", 9, {}, [I64([2, 2, 3, 1, 1])]),
    "Split 2": ("Split", 9, {"axis": 1, "split": [1, 2]}, []),
    "Split 13": ("Split", 13, {"axis": -1}, [I64([2, 3])]),
    "Split 18": ("Split", 18, {"axis": 3, "num_outputs": 2}, []),
    "Flatten 1": ("Flatten", 8, {"axis": 3}, []),
    "Flatten 11": ("Flatten", 11, {"axis": -1}, []),
    "Reshape 5": ("Reshape", 7, {}, [I64([0, -1, 2])]),
    "Transpose 1": ("Transpose", 9, {}, []),
    "Transpose 1, perm": ("Transpose", 9, {"perm": [1, 2, 0, 3]}, []),
    "Gather 1": ("Gather", 9, {"axis": 2}, [I64([[0, 2], [3, 1]])]),
    "Gather 11, from the end": ("Gather", 11, {"axis": -1}, [I64([-1, 0])]),
    "Gather 13, one": ("Gather", 13, {"axis": 1}, [I64(1)]),
    "ArgMax 1": ("ArgMax", 9, {"axis": 3, "keepdims": 0}, []),
    "ArgMax 12": ("ArgMax", 12, {"axis": 2, "select_last_index": 1}, []),
    "TopK 1": ("TopK", 9, {"k": 2, "axis": 3}, []),
    "TopK 11, smallest": ("TopK", 11, {"axis": 2, "largest": 0}, [I64([3])]),
    "PRelu 7": ("PRelu", 8, {}, [random(3, 1, 1)]),
    "PRelu 9, any shape": ("PRelu", 9, {}, [random(4, 5)]),
    "PRelu 9, one": ("PRelu", 9, {}, [random(1)]),
    "Selu 6": ("Selu", 9, {"alpha": 1.5, "gamma": 0.75}, []),
    "HardSigmoid 6": ("HardSigmoid", 9, {"alpha": 0.3, "beta": 0.4}, []),
    "Pow 7": ("Pow", 11, {}, [np.float32(2)]),
    "Pow 12, of whole numbers": ("Pow", 12, {}, [I64([1, 2, 3, 2, 1])]),
    "LRN 1": ("LRN", 9, {"size": 3, "alpha": 0.5, "beta": 0.6, "bias": 1.5}, []),
    "MaxPool 1": ("MaxPool", 7, {"kernel_shape": [2, 3], "pads": [0, 1, 1, 0]}, []),
    "MaxPool 8, indices": ("MaxPool", 9, {"kernel_shape": [2, 2], "storage_order": 1}, []),
    "MaxPool 10": ("MaxPool", 10, {"kernel_shape": [2, 2], "dilations": [1, 2], "strides": [2, 1], "ceil_mode": 1}, []),
    "AveragePool 7": ("AveragePool", 9, {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1}, []),
    "AveragePool 11, same": ("AveragePool", 11, {"kernel_shape": [3, 2], "auto_pad": "SAME_LOWER", "strides": [2, 2]}, []),
    "LpPool 2": ("LpPool", 10, {"kernel_shape": [2, 2], "p": 3}, []),
    "Conv 1": ("Conv", 9, {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [random(4, 3, 3, 2)]),
    "Conv 11, groups": ("Conv", 11, {"group": 3, "dilations": [1, 2], "pads": [0, 1, 2, 3]}, [random(6, 1, 2, 2), random(6)]),
    "ConvTranspose 1": ("ConvTranspose", 9, {"strides": [2, 1], "output_padding": [1, 0], "pads": [1, 0, 0, 1]}, [random(3, 2, 3, 3)]),
    "ConvTranspose 11, shape": ("ConvTranspose", 11, {"strides": [2, 2], "output_shape": [9, 10]}, [random(3, 2, 3, 3), random(2)]),
    "MatMul 9, batched": ("MatMul", 9, {}, [random(2, 3, 5, 6)]),
    "MatMul 9, vector": ("MatMul", 9, {}, [random(5)]),
    "DepthToSpace 11": ("DepthToSpace", 11, {"blocksize": 1, "mode": "CRD"}, []),
    "LayerNormalization 17": ("LayerNormalization", 17, {"axis": 2}, [random(4, 5)]),
    "GroupNormalization 18": ("GroupNormalization", 18, {"num_groups": 3}, [random(3), random(3)]),
    "InstanceNormalization 6": ("InstanceNormalization", 9, {}, [random(3), random(3)]),
    "Sum 8": ("Sum", 9, {}, [random(5), random(3, 1, 1)]),
    "Mean 8": ("Mean", 9, {}, [random(5), random(3, 1, 1)]),
    "Max 8": ("Max", 9, {}, [random(5), random(3, 1, 1)]),
}
SECOND = {"Split 2": 2, "Split 13": 2, "Split 18": 2, "TopK 1": 2, "TopK 11, smallest": 2, "MaxPool 8, indices": 2}


# With further inputs as initialisers; where there are some, also with further inputs of the network.
WAYS = [(name, known) for name, case in CASES.items() for known in ((True, False) if case[3] else (True,))]


@pytest.mark.parametrize(("name", "known"), WAYS)
def test_against_onnx_runtime(name, known):
    op, opset, attrs, further = CASES[name]
    x = X[:1] if op == "Squeeze" else X
    names = ["x", *("" if a is None else f"in{i}" for i, a in enumerate(further))]
    arrays = {f"in{i}": a for i, a in enumerate(further) if a is not None}
    outputs = [f"y{i}" for i in range(SECOND.get(name, 1))]
    inputs = [value("x", x.shape)]
    if not known:
        inputs += [value(n, a.shape, np.asarray(a).dtype.name) for n, a in arrays.items()]
    data = model([helper.make_node(op, names, outputs, **attrs)], inputs, outputs, arrays if known else {}, opset)
    compare(data, {"x": x, **({} if known else {n: np.asarray(a) for n, a in arrays.items()})})


def run(op: str, arrays: list[np.ndarray], **attrs) -> np.ndarray:
    """One node of opset 6, which ONNX Runtime refuses."""
    names = [f"in{i}" for i in range(len(arrays))]
    inputs = [value(n, a.shape, a.dtype.name) for n, a in zip(names, arrays, strict=True)]
    graph = helper.make_graph([helper.make_node(op, names, ["y"], **attrs)], "g", inputs, [value("y", None)])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 6)], ir_version=3).SerializeToString()
    return cyconv.load_onnx(data)(*arrays)


def test_broadcasting_of_opset_6():
    b = random(3, 4)
    assert np.array_equal(run("Add", [X, b], broadcast=1, axis=1), X + b[:, :, None])
    assert np.array_equal(run("Mul", [X, random(5)], broadcast=1), X * random(5))
    assert np.array_equal(run("Sub", [X, X[::-1].copy()]), X - X[::-1])
    assert np.array_equal(run("Pow", [X, np.float32([2])], broadcast=1), X * X)
    with pytest.raises(ValueError, match="without broadcast"):
        run("Add", [X, random(5)])
    with pytest.raises(ValueError, match="out of range"):
        run("Add", [X, b], broadcast=1, axis=3)


def test_upsample_of_opset_6():
    y = run("Upsample", [X], height_scale=2.0, width_scale=3.0)
    assert np.array_equal(y, X.repeat(2, 2).repeat(3, 3))
    assert run("Upsample", [X], height_scale=2.0, width_scale=1.5, mode="bilinear").shape == (2, 3, 8, 7)


def test_inference_of_opset_6():
    mean, var, scale, bias = random(3, seed=1), np.abs(random(3, seed=2)) + 1, random(3, seed=3), random(3, seed=4)
    y = run("BatchNormalization", [X, scale, bias, mean, var], is_test=1, epsilon=1e-3)
    column = [v.reshape(3, 1, 1) for v in (scale, bias, mean, var)]
    exact = (X - column[2]) / np.sqrt(column[3].astype(np.float64) + 1e-3) * column[0] + column[1]
    assert np.abs(y - exact).max() < 1e-6 * np.abs(exact).max()
    assert np.array_equal(run("Dropout", [X], is_test=1), X)
    for op, arrays in (("Dropout", [X]), ("BatchNormalization", [X, scale, bias, mean, var])):
        with pytest.raises(ValueError, match="training mode"):
            run(op, arrays)


def test_windows_of_even_size():
    """Of an even size LRN's window has its greater half behind the channel (ONNX Runtime refuses even sizes)."""
    data = model([helper.make_node("LRN", ["x"], ["y"], size=4, alpha=0.5, beta=0.6, bias=1.5)], [value("x", [2, 7, 3])], opset=13)
    x = random(2, 7, 3)
    squares = np.stack([(x[:, max(0, c - 1) : c + 3] ** 2).sum(1) for c in range(7)], 1)
    exact = x / (1.5 + 0.5 / 4 * squares) ** 0.6
    assert np.abs(cyconv.load_onnx(data)(x) - exact).max() < 1e-6
