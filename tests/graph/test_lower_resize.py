"""Interpolation: every rule for coordinates and rounding, in either layout, along any dimensions."""

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

from cyconv.graph.compile import compile_function
from cyconv.graph.trace import apply
from cyconv.ops.resize import COORDINATES, ROUNDINGS
from tests.graph.test_lower import steps
from tests.graph.test_lower_elements import blocked, check, check_dtypes

SIZES = [((10, 14), None), ((3, 4), None), ((7, 1), None), ((1, 5), None), ((10, 21), (2.0, 3.0)), ((3, 4), (0.6, 0.7)), ((5, 7), None)]


def attributes(mode, coordinates, rounding="round_prefer_floor", size=(10, 14), scales=None, dims=(2, 3)) -> dict:
    return {"dims": dims, "size": size, "scales": scales, "mode": mode, "coordinates": coordinates, "rounding": rounding}


CASES = [*(("nearest", c, r) for c in COORDINATES for r in ROUNDINGS), *(("linear", c, "floor") for c in COORDINATES)]


@pytest.mark.parametrize(("mode", "coordinates", "rounding"), CASES)
def test_both_layouts(mode, coordinates, rounding):
    for size, scales in SIZES:
        attrs = attributes(mode, coordinates, rounding, size, scales)
        exact = mode == "nearest"
        check(lambda x: apply("interpolate", [x], attrs)[0], (2, 3, 5, 7), exact=exact)
        check(lambda x: apply("interpolate", [blocked(x)], attrs)[0], (2, 19, 5, 7), exact=exact, threads=3)


def onnx_resize(x: np.ndarray, attrs: dict) -> np.ndarray:
    """What ONNX's own reference computes."""
    size, scales = attrs["size"], attrs["scales"]
    options = {"mode": attrs["mode"], "coordinate_transformation_mode": attrs["coordinates"], "nearest_mode": attrs["rounding"]}
    inputs = ["x", "", "", "sizes"] if scales is None else ["x", "", "scales"]
    node = helper.make_node("Resize", inputs, ["y"], axes=list(attrs["dims"]), **options)
    info = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    if scales is None:
        info.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [len(size)]))
    else:
        info.append(helper.make_tensor_value_info("scales", TensorProto.FLOAT, [len(size)]))
    graph = helper.make_graph([node], "g", info, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    rest = {"sizes": np.array(size, np.int64)} if scales is None else {"scales": np.array(scales, np.float32)}
    return ReferenceEvaluator(model).run(None, {"x": x, **rest})[0]


@pytest.mark.parametrize(("mode", "coordinates", "rounding"), [c for c in CASES if not c[1].startswith("tf_")])
def test_agrees_with_onnx(mode, coordinates, rounding):
    x = np.random.default_rng(3).standard_normal((1, 2, 5, 7)).astype(np.float32)
    compared = 0
    for size, scales in SIZES:
        if scales:
            scales = tuple(float(np.float32(s)) for s in scales)
        attrs = attributes(mode, coordinates, rounding, size, scales)
        want = onnx_resize(x, attrs)
        got = compile_function(lambda v: apply("interpolate", [v], attrs)[0], [x.shape], ["x"], 1)(x)
        assert got.shape == want.shape == (1, 2, *size)
        assert np.all(np.abs(got - want) <= (0 if mode == "nearest" else 8 * 2.0**-24 * np.abs(x).max()))
        compared += 1
    assert compared == len(SIZES)


def test_any_dimensions_and_dtypes():
    linear = attributes("linear", "half_pixel", size=(4, 9, 3), dims=(0, 1, 2))
    check(lambda x: apply("interpolate", [x], linear)[0], (3, 4, 5), exact=False)
    check(lambda x: apply("interpolate", [x], {**linear, "size": (4,), "dims": (1,)})[0], (2, 7, 1, 3, 2), exact=False)
    nearest = attributes("nearest", "asymmetric", "floor", (6, 8), dims=(0, 2))
    for dtype in ("float32", "int32", "int64", "bool"):
        check_dtypes(lambda x: apply("interpolate", [x], nearest)[0], [dtype], [(3, 2, 4)])
    with pytest.raises(TypeError, match="interpolate takes float32, got int64"):
        compile_function(lambda x: apply("interpolate", [x], linear)[0], [(3, 4, 5)], ["x"], dtypes=["int64"])


def test_images_stay_in_blocks():
    attrs = attributes("nearest", "asymmetric", "floor", (10, 14))
    assert steps(lambda x: apply("interpolate", [blocked(x)], attrs)[0], (2, 19, 5, 7)) == [
        "relayout",
        "avg_pool2d",
        "interpolate",
        "relayout",
    ]
    assert steps(lambda x: apply("interpolate", [x], attrs)[0], (2, 19, 5, 7)) == ["interpolate"] * 2
    assert steps(lambda x: apply("interpolate", [x], {**attrs, "size": (5, 14)})[0], (2, 19, 5, 7)) == ["interpolate"]


def test_a_weight_of_zero_keeps_infinity_out():
    x = np.float32([[[[1, np.inf, 2]]]])
    attrs = attributes("linear", "align_corners", size=(1, 5))
    for before in (lambda v: v, blocked):
        got = compile_function(lambda v: apply("interpolate", [before(v)], attrs)[0], [x.shape], ["x"], 1)(x)
        assert got.ravel().tolist() == [1, np.inf, np.inf, np.inf, 2]
