"""Operators and shapes that random cases seldom meet: every stride, pad, dilation and group of a convolution, auto_pad, every
pair of integers of an addition; pools, batch normalization and softmax in f32 between integers.

`make` is the module make.py, whose helpers these cases share.
"""
import itertools

import numpy as np
from onnx import TensorProto, helper


def info(name, value):
    kinds = {"int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
    return helper.make_tensor_value_info(name, kinds[value.dtype.name], value.shape)


def run(folder, name, make, nodes, x, outputs, initializers, **rule):
    tensors = [make.tensor(key, value) for key, value in initializers.items()]
    model = make.model_of(nodes, [info("x", x)], [helper.make_empty_tensor_value_info(y) for y in outputs], tensors)
    expected = dict(zip(outputs, make.session(model).run(outputs, {"x": x})))
    make.write(folder, name, model, {"x": x}, expected, **rule)


def convolutions(folder, name, rng, make, kind, operator, combinations, size=9):
    """One node per combination of (kernel, stride, pads, dilation, group), all on one input of 4 channels."""
    dtype = make.TYPES[kind][0]
    x = make.integers(rng, (1, 4, size, size + 1), kind, "")
    zero = make.zero_point(rng, kind, "")
    initializers = {"xs": np.float32(0.03), "xz": zero, "ws": np.float32(2.0**-7), "wz": dtype(0 if kind == "s8" else 117),
                    "yz": make.zero_point(rng, kind, "")}
    nodes, outputs = [], []
    for index, (kernel, stride, pads, dilation, group) in enumerate(combinations):
        depth = 4 // group
        initializers[f"w{index}"] = make.integers(rng, (4, depth, *kernel), kind, "")
        initializers[f"ys{index}"] = np.float32(0.05 * np.sqrt(depth * np.prod(kernel)))
        attributes = dict(kernel_shape=list(kernel), strides=list(stride), dilations=list(dilation), group=group)
        attributes |= {"auto_pad": pads} if isinstance(pads, str) else {"pads": list(pads)}
        inputs = ["x", "xs", "xz", f"w{index}", "ws", "wz", f"ys{index}", "yz"]
        if operator == "ConvInteger":
            inputs = ["x", f"w{index}", "xz", "wz"]
        outputs.append(f"y{index}")
        nodes.append(helper.make_node(operator, inputs, [f"y{index}"], name=f"conv{index}", **attributes))
    used = {name for node in nodes for name in node.input}
    run(folder, name, make, nodes, x, outputs, {key: value for key, value in initializers.items() if key in used})


def grid():
    kernels, strides = [(1, 1), (2, 3), (3, 3), (5, 2)], [(1, 1), (2, 2), (1, 3), (3, 2)]
    dilations, groups = [(1, 1), (2, 2), (1, 2)], [1, 2, 4]
    for kernel, stride, dilation, group in itertools.product(kernels, strides, dilations, groups):
        reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
        if max(reach) < 9:
            for pads in ([0, 0, 0, 0], [*reach, 0, 0], [k - 1 for k in kernel] * 2):
                yield kernel, stride, pads, dilation, group


def auto_pads():
    # ONNX Runtime takes SAME only without dilation.
    for mode, kernel, stride in itertools.product(
            ("SAME_UPPER", "SAME_LOWER", "VALID"), [(1, 1), (2, 3), (3, 3), (4, 2)], [(1, 1), (2, 2), (3, 2)]):
        yield kernel, stride, mode, (1, 1), 1


def additions(folder, name, rng, make, kind, style, size):
    """Two different grids of one input, added: scales whose ratio makes sums near ties frequent."""
    dtype = make.TYPES[kind][0]
    x = make.integers(rng, (1, 2, size, size), kind, "")
    w = np.zeros((2, 2, 1, 1), dtype)
    w[0, 1] = w[1, 0] = 1
    scale = lambda: np.float32(rng.integers(1, 64)) * np.float32(2.0**-8) if style == "ties" else np.float32(rng.uniform(0.001, 0.1))
    initializers = {"one": np.float32(1), "zero": dtype(0), "w": w, "as": scale(), "az": make.zero_point(rng, kind, ""),
                    "bs": scale(), "bz": make.zero_point(rng, kind, ""), "cs": scale(), "cz": make.zero_point(rng, kind, "")}
    nodes = [
        helper.make_node("QLinearConv", ["x", "one", "zero", "w", "one", "zero", "one", "zero"], ["swapped"], name="swap"),
        helper.make_node("QLinearAdd", ["x", "as", "az", "swapped", "bs", "bz", "cs", "cz"], ["y"], name="add", domain="com.microsoft")]
    run(folder, name, make, nodes, x, ["swapped", "y"], initializers)


def between_integers(folder, name, rng, make, operator, rule, semantics="fused", **attributes):
    """An operator in f32 between DequantizeLinear and QuantizeLinear; softmax puts out f32 besides."""
    x = make.integers(rng, (60, 100) if operator == "Softmax" else (1, 8, 24, 24), "s8", "")
    initializers = {"xs": np.float32(0.04), "xz": np.int8(3), "ys": np.float32(0.02 if operator != "Softmax" else 1 / 256),
                    "yz": np.int8(-128 if operator == "Softmax" else -5)}
    inputs = ["d"]
    if operator == "BatchNormalization":
        inputs += ["scale", "bias", "mean", "variance"]
        initializers |= {"scale": rng.uniform(0.2, 2, 8).astype(np.float32), "bias": rng.normal(size=8).astype(np.float32),
                         "mean": rng.normal(size=8).astype(np.float32), "variance": rng.uniform(0.2, 2, 8).astype(np.float32)}
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["d"]),
        helper.make_node(operator, inputs, ["f"], name="float", **attributes),
        helper.make_node("QuantizeLinear", ["f", "ys", "yz"], ["y"])]
    run(folder, name, make, nodes, x, ["f", "y"] if rule == "reported" else ["y"], initializers, rule=rule,
        semantics=semantics, oracle=f"onnxruntime, {operator} in f32")


def small(folder, rng, make):
    shapes = list(grid())
    some = [shapes[index] for index in rng.permutation(len(shapes))[:24]]
    convolutions(folder, "shapes-s8", rng, make, "s8", "QLinearConv", some)
    convolutions(folder, "auto-pad-u8", rng, make, "u8", "QLinearConv", list(auto_pads())[::3])
    convolutions(folder, "convinteger-s8-s8", rng, make, "s8", "ConvInteger", some[:6])
    additions(folder, "additions-s8", rng, make, "s8", "ties", 16)


def live(folder, rng, make):
    for kind in ("s8", "u8"):
        convolutions(folder, f"shapes-{kind}", rng, make, kind, "QLinearConv", list(grid()))
        convolutions(folder, f"auto-pad-{kind}", rng, make, kind, "QLinearConv", list(auto_pads()))
        for style in ("ties", "random"):
            for index in range(4):
                additions(folder, f"additions-{kind}-{style}-{index}", rng, make, kind, style, 96)
        convolutions(folder, f"shapes-convinteger-{kind}", rng, make, kind, "ConvInteger", list(grid()))
    between_integers(folder, "average-pool", rng, make, "AveragePool", "equal", "float", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    between_integers(folder, "average-pool-padded", rng, make, "AveragePool", "equal", "float", kernel_shape=[2, 3], pads=[1] * 4, count_include_pad=1)
    between_integers(folder, "batch-normalization", rng, make, "BatchNormalization", "near")
    between_integers(folder, "softmax", rng, make, "Softmax", "reported", axis=1)
