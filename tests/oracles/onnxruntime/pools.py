"""Pools between integers: every kernel, stride, pad, count_include_pad and ceil_mode; as nodes of their own, fused by ONNX
Runtime, and left apart by it in f32.

`make` is the module make.py, whose helpers these cases share.
"""
import itertools
import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper

import shapes

KERNELS = [(1, 1), (2, 3), (3, 3), (4, 4), (5, 2), (9, 11)]  # the last one is the image
STRIDES = [(1, 1), (2, 2), (1, 3), (3, 2)]
IMAGE = (9, 11)


def average_windows(ceil_modes):
    for kernel, stride, ceil_mode, count_include_pad in itertools.product(KERNELS, STRIDES, ceil_modes, (0, 1)):
        reach = [k - 1 for k in kernel]
        for pads in {(0, 0, 0, 0), (*reach, 0, 0), (0, 0, *reach), (*reach, *reach), (reach[0] // 2, 0, 0, reach[1] // 2)}:
            yield dict(kernel_shape=kernel, strides=stride, pads=pads, ceil_mode=ceil_mode,
                       count_include_pad=count_include_pad)
    for mode, kernel, stride in itertools.product(("SAME_UPPER", "SAME_LOWER", "VALID"), KERNELS[1:5], STRIDES):
        if all(k >= s for k, s in zip(kernel, stride)):
            yield dict(kernel_shape=kernel, strides=stride, auto_pad=mode)


def max_windows():
    for kernel, stride, ceil_mode in itertools.product(KERNELS, STRIDES, (0, 1)):
        for dilation in [(1, 1)] if kernel == IMAGE else [(1, 1), (2, 1), (2, 2)]:
            for pads in {(0, 0, 0, 0), (kernel[0] - 1, 0, 0, kernel[1] // 2)}:
                yield dict(kernel_shape=kernel, strides=stride, pads=pads, ceil_mode=ceil_mode, dilations=dilation)


def begins_behind(kernel_shape, strides, pads=(0, 0, 0, 0), ceil_mode=0, **_):
    """Whether ceil_mode would add a window that begins behind the image, which ONNX leaves out. ONNX Runtime's AveragePool in
    f32 then fails: its sizes are not those that its shape inference expects."""
    for size, kernel, stride, before, after in zip(IMAGE, kernel_shape, strides, pads[:2], pads[2:]):
        if ceil_mode and -(-(size + before + after - kernel) // stride) * stride >= size + before:
            return True
    return False


class Pools:
    """Nodes that all read one input of integers."""

    def __init__(self, rng, make, kind, style, channels):
        self.rng, self.make, self.style = rng, make, style
        self.x = make.integers(rng, (1, channels, *IMAGE), kind, "")
        self.nodes, self.outputs = [], []
        self.initializers = {"low": np.float32(-0.11), "high": np.float32(0.37)}
        self.grid("x", kind)

    def grid(self, name, kind):
        self.initializers |= {name + "s": self.make.scales(self.rng, (), self.style)[()],
                              name + "z": self.make.zero_point(self.rng, kind, "")}

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))

    def qlinear(self, kind, attributes):
        """Every third on its input's grid."""
        y = f"y{len(self.outputs)}"
        grid = "x" if len(self.outputs) % 3 == 0 else y
        if grid == y:
            self.grid(y, kind)
        self.node("QLinearAveragePool", ["x", "xs", "xz", grid + "s", grid + "z"], y, domain="com.microsoft", **attributes)
        self.outputs.append(y)

    def between(self, operator, kind, attributes, function=None, same=False):
        y = f"y{len(self.outputs)}"
        grid = "x" if same else y
        if not same:
            self.grid(y, kind)
        self.node("DequantizeLinear", ["x", "xs", "xz"], y + ".x")
        self.node(operator, [y + ".x"], y + ".pool", **attributes)
        last = y + ".pool"
        if function:
            last = y + ".function"
            self.node(function, [y + ".pool"] + (["low", "high"] if function == "Clip" else []), last)
        self.node("QuantizeLinear", [last, grid + "s", grid + "z"], y)
        self.outputs.append(y)

    def write(self, folder, name, executed=None, **rule):
        """`executed`: operators that ONNX Runtime must make of all, and no others."""
        make = self.make
        used = {name for node in self.nodes for name in node.input}
        tensors = [make.tensor(key, value) for key, value in self.initializers.items() if key in used]
        model = make.model_of(self.nodes, [shapes.info("x", self.x)],
                              [helper.make_empty_tensor_value_info(y) for y in self.outputs], tensors)
        optimized = os.path.join(folder, "optimized.tmp.onnx")
        level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL if executed else ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = make.session(model, level, optimized)
        if executed:
            found = {node.op_type for node in onnx.load(optimized).graph.node}
            assert found == executed, f"{name}: ONNX Runtime executes {found}"
        os.remove(optimized)
        expected = dict(zip(self.outputs, session.run(self.outputs, {"x": self.x})))
        make.write(folder, name, model, {"x": self.x}, expected, integers=True, **rule)


def qlinear(folder, name, rng, make, kind, style, windows, channels):
    pools = Pools(rng, make, kind, style, channels)
    for attributes in windows:
        pools.qlinear(kind, attributes)
    pools.write(folder, name, oracle="onnxruntime, QLinearAveragePool", wrong='requantization = "gemmlowp-double"')


def fused(folder, name, rng, make, kind, style, windows, channels, wrong=""):
    pools = Pools(rng, make, kind, style, channels)
    for attributes in windows:
        pools.between("AveragePool", kind, attributes)
    pools.write(folder, name, {"QLinearAveragePool"}, oracle="onnxruntime, AveragePool fused", wrong=wrong)


def apart(folder, name, rng, make, kinds, style, windows, channels):
    """Another type of integers, or what a grid does not do besides."""
    pools = Pools(rng, make, kinds[0], style, channels)
    for index, attributes in enumerate(windows):
        if attributes.get("ceil_mode") and attributes.get("count_include_pad") or begins_behind(**attributes):
            continue
        function = [None, "Relu", "Clip"][index % 3] if kinds[0] != kinds[1] else ["Relu", "Clip"][index % 2]
        pools.between("AveragePool", kinds[1], attributes, function)
        if index % 4 == 0 and max(attributes["kernel_shape"]) < 5:
            dilated = attributes | dict(dilations=(2, 1), ceil_mode=0, pads=(0, 0, 0, 0))
            dilated.pop("auto_pad", None)
            pools.between("AveragePool", kinds[1], dilated, "Clip")
    # A Relu that the output's grid does besides would be taken out.
    low = np.iinfo(make.TYPES[kinds[1]][0]).min
    for key in [key for key in pools.initializers if key.endswith("z") and pools.initializers[key] == low]:
        pools.initializers[key] += 1
    operators = {"DequantizeLinear", "AveragePool", "Relu", "Clip", "QuantizeLinear"}
    pools.write(folder, name, operators, oracle="onnxruntime, AveragePool apart")


def largest(folder, name, rng, make, kind, style, windows, channels):
    pools = Pools(rng, make, kind, style, channels)
    other = {"s8": "u8", "u8": "s8"}[kind]
    for index, attributes in enumerate(windows):
        if index % 4 == 0:
            y = f"y{len(pools.outputs)}"
            pools.node("MaxPool", ["x"], y, **attributes)
            pools.outputs.append(y)
        else:
            function = [None, None, "Relu", "Clip"][index % 4]
            pools.between("MaxPool", [kind, other][index % 3 == 0], attributes, function, same=index % 5 == 0)
    pools.write(folder, name, oracle="onnxruntime, MaxPool")


def some(rng, windows, count):
    windows = list(windows)
    return [windows[index] for index in rng.permutation(len(windows))[:count]]


def small(folder, rng, make):
    average = list(average_windows((0, 1)))
    plain = list(average_windows((0,)))
    qlinear(folder, "qlinear-average-pool-u8", rng, make, "u8", "ties", some(rng, average, 24), 2)
    fused(folder, "average-pool-fused-s8", rng, make, "s8", "ties", some(rng, plain, 24), 2, 'semantics = "float"')
    apart(folder, "average-pool-apart-s8", rng, make, ("s8", "s8"), "ties", some(rng, plain, 16), 2)
    largest(folder, "max-pool-s8", rng, make, "s8", "", some(rng, max_windows(), 24), 2)


def live(folder, rng, make):
    for kind, style in itertools.product(("s8", "u8"), ("ties", "")):
        tag = f"{kind}-{style or 'random'}"
        qlinear(folder, f"qlinear-average-pool-{tag}", rng, make, kind, style, average_windows((0, 1)), 24)
        # In float semantics windows beyond the padding are refused, ties show without.
        wrong = 'semantics = "float"' if style else ""
        fused(folder, f"average-pool-fused-{tag}", rng, make, kind, style, average_windows((0,)), 24, wrong)
        fused(folder, f"average-pool-fused-ceil-{tag}", rng, make, kind, style, average_windows((1,)), 24)
        for other in ("s8", "u8"):
            apart(folder, f"average-pool-apart-{tag}-{other}", rng, make, (kind, other), style, average_windows((0, 1)), 12)
        largest(folder, f"max-pool-{tag}", rng, make, kind, style, max_windows(), 24)
