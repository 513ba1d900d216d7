"""The trained ResNet-8 in ONNX Runtime, two ways.

as_oracle: its trace, integer by integer: ConvInteger, MatMulInteger and f32 Mul, Add, Floor, Clip and Cast in the order of
docs/formats.md, without optimizations. as_import: a float network of its dequantized weights, quantized S8S8 by ONNX
Runtime's own tool.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import load_file

REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")
MEAN, STD = np.float32(72.94035), np.float32(90.021)  # of workloads/resnet8-*.toml
F32 = np.float32
STAGES = [("stage1.block1", 1), ("stage2.block1", 2), ("stage3.block1", 2)]


def trace(name):
    return load_file(os.path.join(REPOSITORY, "workloads", name + ".safetensors"))


def test_set():
    return load_file(os.path.join(REPOSITORY, "workloads", "fashion-mnist-test.safetensors"))


class Builder:
    def __init__(self):
        self.nodes, self.initializers, self.names = [], [], set()

    def constant(self, value):
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def op(self, operator, inputs, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def model(self, image, outputs):
        graph = helper.make_graph(self.nodes, "g", [image], outputs, self.initializers)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


class TraceGraph(Builder):
    """f32 tensors between layers; every layer quantizes its operand."""

    def __init__(self, values, bits):
        super().__init__()
        self.values, self.bits, self.layers = values, bits, []

    def quantized(self, x, quantizer, bits, signed):
        """AQT legacy: (uint8, its zero point), so that signed and unsigned operands take one path in ONNX Runtime."""
        t = self.op("Mul", [x, self.constant(self.values[quantizer + ".scale"].reshape(()))])
        if signed:
            bound = F32(2 ** (bits - 1) - 1)
            t = self.op("Clip", [t, self.constant(-bound), self.constant(bound)])
            t = self.op("Floor", [self.op("Add", [t, self.constant(F32(0.5))])])
            t = self.op("Add", [t, self.constant(F32(128))])
        else:
            t = self.op("Clip", [self.op("Floor", [t]), self.constant(F32(0)), self.constant(F32(2**bits - 1))])
        return self.op("Cast", [t], to=TensorProto.UINT8), self.constant(np.uint8(128 if signed else 0))

    def bf16(self, x):
        return self.op("Cast", [self.op("Cast", [x], to=TensorProto.BFLOAT16)], to=TensorProto.FLOAT)

    def layer(self, name, x, quantizer=None, stride=1, signed=False, shortcut=None, relu=True):
        w = self.values[name + ".weight"]
        bits = self.bits["edge" if name in ("stem", "fc") else "inner"]
        q, zero = self.quantized(x, quantizer or name + ".input", bits, signed)
        accumulator = name + ".accumulator"
        if name == "fc":
            self.op("MatMulInteger", [q, self.constant(w[:, 0, 0, :].T.copy()), zero], accumulator)
            shape = (1, -1)
        else:
            weights = self.constant(np.ascontiguousarray(w.transpose(0, 3, 1, 2)))
            self.op("ConvInteger", [q, weights, zero], accumulator, strides=[stride] * 2, pads=[w.shape[1] // 2] * 4)
            shape = (1, -1, 1, 1)
        self.layers.append(name)
        y = self.op("Cast", [accumulator], to=TensorProto.FLOAT)
        y = self.op("Mul", [y, self.constant(self.values[name + ".multiplier"].reshape(shape))])
        y = self.op("Add", [y, self.constant(self.values[name + ".bias"].reshape(shape))], "logits" if name == "fc" else None)
        if shortcut:
            y = self.op("Add", [y, shortcut])
        return self.op("Relu", [y]) if relu else y

    def pool(self, x, pixels):
        """f32 sum in (row, column) order, times f32(1/count)."""
        parts = [f"pixel_{i}" for i in range(pixels)]
        flat = self.op("Reshape", [x, self.constant(np.asarray([0, 0, pixels], np.int64))])
        self.nodes.append(helper.make_node("Split", [flat], parts, name="split", axis=2, num_outputs=pixels))
        total = parts[0]
        for part in parts[1:]:
            total = self.op("Add", [total, part])
        return self.op("Flatten", [self.op("Mul", [total, self.constant(F32(1) / F32(pixels))])])


def as_oracle(session, name, images):
    """Accumulators and logits of u8 images [n, 28, 28, 1], by the names of `execute --accumulators`, NHWC."""
    inner = 4 if "mostly-4-bit" in name else 8
    graph = TraceGraph(trace(name), {"edge": 8, "inner": inner})
    x = graph.op("Cast", ["images"], to=TensorProto.FLOAT)
    x = graph.op("Div", [graph.op("Sub", [x, graph.constant(MEAN)]), graph.constant(STD)])
    x = graph.op("Transpose", [x], perm=[0, 3, 1, 2])
    x = graph.bf16(graph.layer("stem", x, stride=2, signed=True))
    for block, stride in STAGES:
        quantizer = block + ".conv1.input"
        shortcut = x if stride == 1 else graph.bf16(
            graph.layer(block + ".projection", x, quantizer, stride, relu=False))
        y = graph.layer(block + ".conv1", x, quantizer, stride)
        x = graph.layer(block + ".conv2", y, shortcut=shortcut)
    graph.layer("fc", graph.pool(graph.bf16(x), 16), relu=False)
    outputs = [name + ".accumulator" for name in graph.layers] + ["logits"]
    model = graph.model(helper.make_tensor_value_info("images", TensorProto.UINT8, images.shape),
                        [helper.make_empty_tensor_value_info(output) for output in outputs])
    results = dict(zip(outputs, session(model).run(outputs, {"images": images})))
    results["fc"] = results.pop("logits")
    return {key: value.transpose(0, 2, 3, 1) if value.ndim == 4 else value for key, value in results.items()}


def normalized(images):
    """f32 [n, 1, 28, 28] of u8 [n, 28, 28, 1]."""
    return ((images.astype(F32) - MEAN) / STD).transpose(0, 3, 1, 2)


def float_model(name):
    """The trained network in f32: weights times the scales that its multipliers hold, batch norm folded."""
    values, graph = trace(name), Builder()

    def layer(layer, x, quantizer=None, stride=1, relu=True):
        w = values[layer + ".weight"].astype(F32)
        scale = values[(quantizer or layer + ".input") + ".scale"] * values[layer + ".multiplier"]
        w = (w * scale.reshape(-1, 1, 1, 1)).transpose(0, 3, 1, 2)
        inputs = [x]
        for key, value in (("w", w[:, :, 0, 0] if layer == "fc" else w), ("b", values[layer + ".bias"])):
            graph.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), f"{layer}.{key}"))
            inputs.append(f"{layer}.{key}")
        if layer == "fc":
            return graph.op("Gemm", inputs, "logits", transB=1)
        y = graph.op("Conv", inputs, layer, kernel_shape=list(w.shape[2:]), strides=[stride] * 2, pads=[w.shape[2] // 2] * 4)
        return graph.op("Relu", [y], layer + ".relu") if relu else y

    x = layer("stem", "image", stride=2)
    for block, stride in STAGES:
        quantizer = block + ".conv1.input"
        shortcut = x if stride == 1 else layer(block + ".projection", x, quantizer, stride, relu=False)
        y = layer(block + ".conv2", layer(block + ".conv1", x, quantizer, stride), relu=False)
        x = graph.op("Relu", [graph.op("Add", [y, shortcut], block + ".add")], block)
    layer("fc", graph.op("Flatten", [graph.op("GlobalAveragePool", [x], "pool")], "flat"))
    model = graph.model(helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 28, 28]),
                        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 10])])
    onnx.checker.check_model(model)
    return onnx.shape_inference.infer_shapes(model)
