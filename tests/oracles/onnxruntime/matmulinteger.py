#!/usr/bin/env python3
"""Golden integer matrix products by ONNX Runtime's MatMulInteger, without zero points.

usage: matmulinteger.py FOLDER   (packages: requirements.txt beside this file)

Writes PAIR-N.npz: `activations` [m, k] and `weights` [n, k] as I32, `sums` [m, n] as I32. 4-bit values travel in 8-bit
tensors. Every third case has extremes only. Sums that would leave the 32-bit accumulators are not drawn.
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

RANGES = {"int4": (-8, 7), "uint4": (0, 15), "int8": (-128, 127), "uint8": (0, 255)}
PAIRS = [("uint8", "int8"), ("int8", "int8"), ("uint4", "int4"), ("int4", "int4"), ("uint8", "int4"), ("int8", "int4")]
CASES = 3


def operands(rng, shape, kind, extremes):
    low, high = RANGES[kind]
    values = rng.choice([low, high], shape) if extremes else rng.integers(low, high + 1, shape)
    return values.astype(np.uint8 if kind.startswith("u") else np.int8)


def product(a, b):
    types = {np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8}
    node = helper.make_node("MatMulInteger", ["a", "b"], ["y"])
    inputs = [helper.make_tensor_value_info(name, types[x.dtype], x.shape) for name, x in (("a", a), ("b", b))]
    output = helper.make_tensor_value_info("y", TensorProto.INT32, None)
    model = helper.make_model(helper.make_graph([node], "g", inputs, [output]), ir_version=10,
                              opset_imports=[helper.make_opsetid("", 21)])
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {"a": a, "b": b})[0]


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(6)
    for activation, weight in PAIRS:
        for case in range(CASES):
            m, n, k = (int(extent) for extent in rng.integers(1, 24, 3))
            a = operands(rng, (m, k), activation, case == 2)
            b = operands(rng, (n, k), weight, case == 2)
            sums = product(a, np.ascontiguousarray(b.T))
            assert (sums == a.astype(np.int64) @ b.T.astype(np.int64)).all()
            np.savez_compressed(folder / f"{activation}-{weight}-{case}.npz", activations=a.astype(np.int32),
                                weights=b.astype(np.int32), sums=sums)


if __name__ == "__main__":
    main()
