"""The ONNX project's own test-suite (``onnx.backend.test``), through a backend class, for the operators that the importer promises.

A case is in scope when all its operators are in LISTED and its arrays are of TYPES. Each case in scope runs, or stands in EXCLUDED
with a reason. The suite counts a case as passed that never ran, so what was really executed is counted here.
"""

import os
import unittest
from collections import Counter
from functools import cache

import numpy as np
import onnx
import pytest
from onnx.backend.base import Backend, BackendRep
from onnx.backend.test import BackendTest
from onnx.backend.test.loader import load_model_tests

import cyconv
from cyconv.onnx.registry import OPERATORS

LISTED = {
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "Gemm", "MatMul",
    "BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization", "LRN", "Relu", "LeakyRelu", "PRelu",
    "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Clip", "Softmax", "LogSoftmax", "Gelu", "Mish", "Softplus", "Add",
    "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Log", "Abs", "Neg", "Min", "Max", "Sum", "Mean", "ReduceMean", "ReduceSum",
    "ReduceMax", "Concat", "Split", "Slice", "Gather", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile",
    "Pad", "Resize", "Upsample", "DepthToSpace", "SpaceToDepth", "Shape", "Constant", "ConstantOfShape", "Cast", "Identity",
    "Dropout", "ArgMax", "TopK", "Where", "Equal",
}  # fmt: skip
# What the importer knows besides.
FURTHER = {
    "Ceil", "Erf", "Floor", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Not", "Range", "Reciprocal", "ReduceL1", "ReduceL2",
    "ReduceMin", "ReduceSumSquare", "Sign", "Size",
}  # fmt: skip
TYPES = {onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.INT32, onnx.TensorProto.BOOL}
CLASSES = {
    "node": "OnnxBackendNodeModelTest",
    "simple": "OnnxBackendSimpleModelTest",
    "pytorch-operator": "OnnxBackendPyTorchOperatorModelTest",
    "pytorch-converted": "OnnxBackendPyTorchConvertedModelTest",
    "real": "OnnxBackendRealModelTest",
}

_TRAINING = "training: its result is random, or statistics of the batch"
EXCLUDED: dict[str, str] = {
    "test_batchnorm_epsilon_training_mode": _TRAINING,
    "test_batchnorm_example_training_mode": _TRAINING,
    "test_training_dropout": _TRAINING,
    "test_training_dropout_default": _TRAINING,
    "test_training_dropout_default_mask": _TRAINING,
    "test_training_dropout_mask": _TRAINING,
    "test_training_dropout_zero_ratio": _TRAINING,
    "test_training_dropout_zero_ratio_mask": _TRAINING,
}
EXECUTED_FURTHER = 124
EXECUTED = {"node": 509, "simple": 5, "pytorch-operator": 30, "pytorch-converted": 82, "real": 9}
# The suite's own absolute tolerance, 1e-7, is below the rounding of the sums in these cases.
TOLERANCES: dict[str, dict] = {}

ran: Counter = Counter()


class Net(BackendRep):
    """A loaded model."""

    def __init__(self, model):
        self.net = cyconv.load_onnx(model.SerializeToString())

    def run(self, inputs, **options):
        ran["models"] += 1
        outputs = self.net(*inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)


class CyconvBackend(Backend):
    """cyconv as the suite sees it."""

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def is_compatible(cls, model, device="CPU", **options):
        return True

    @classmethod
    def prepare(cls, model, device="CPU", **options):
        return Net(model)


def in_scope(case, operators: set[str]) -> bool:
    model = case.model
    if model is None and case.model_dir is None:
        return True  # one of the nine networks
    if model is None:
        model = onnx.load(os.path.join(case.model_dir, "model.onnx"))
    values = [*model.graph.input, *model.graph.output]
    arrays = all(v.type.WhichOneof("value") == "tensor_type" and v.type.tensor_type.elem_type in TYPES for v in values)
    return arrays and {node.op_type for node in model.graph.node} <= operators


@cache
def cases(kind: str) -> list:
    with np.errstate(all="ignore"):
        return load_model_tests(kind=kind)


@cache
def names_in_scope(kind: str) -> list[str]:
    return [case.name for case in cases(kind) if in_scope(case, LISTED)]


@cache
def suite() -> dict:
    """The suite's test classes."""
    with np.errstate(all="ignore"):
        return BackendTest(CyconvBackend, __name__, test_kwargs=TOLERANCES).test_cases


def run_suite(kind: str, names: list[str]) -> list[str]:
    """Run cases of the suite; what went wrong."""
    case = suite()[CLASSES[kind]]
    result = unittest.TestResult()
    ran.clear()
    unittest.TestSuite(case(f"{name}_cpu") for name in names if name not in EXCLUDED).run(result)
    return [f"{test.id().rpartition('.')[2]}: {text.strip().splitlines()[-1]}" for test, text in result.failures + result.errors]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("kind", [pytest.param(kind, marks=pytest.mark.slow) if kind == "real" else kind for kind in CLASSES])
def test_suite(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("ONNX_HOME", str(tmp_path))
    assert run_suite(kind, names_in_scope(kind)) == []
    assert ran["models"] == EXECUTED[kind]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_further_operators():
    known = [c for c in cases("node") if in_scope(c, LISTED | FURTHER) and not in_scope(c, LISTED)]
    assert run_suite("node", [c.name for c in known if c.model.opset_import[0].version >= 6]) == []  # those of Not are of opset 1
    assert ran["models"] == EXECUTED_FURTHER


def test_exclusions_are_in_scope():
    names = {name for kind in CLASSES for name in names_in_scope(kind)}
    assert EXCLUDED.keys() <= names
    assert sum(EXECUTED.values()) == len(names) - len(EXCLUDED)


def test_every_operator_is_there_in_every_version():
    assert {name for name, _ in OPERATORS} == LISTED | FURTHER
    for name in sorted(LISTED | FURTHER):
        for opset in range(6, onnx.defs.onnx_opset_version() + 1):
            try:
                schema = onnx.defs.get_schema(name, opset, "")
            except onnx.defs.SchemaError:
                continue
            if not schema.deprecated:
                assert (name, schema.since_version) in OPERATORS, (name, schema.since_version)
