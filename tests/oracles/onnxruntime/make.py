"""Cases whose expected values are ONNX Runtime's or onnx.reference's: folders {case.toml, model.onnx, input.npz,
expected.npz}, tensors by their ONNX names.

usage: make.py FOLDER --seed N (--small | --live | --networks)
  --small     a few small cases of every kind, as committed
  --live      random operators and networks, more than a million elements; the trained ResNet-8
  --networks  ResNet-18 and ResNet-50
"""
import argparse
import itertools
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import pools
import shapes
import trained

OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
TYPES = {"s8": (np.int8, TensorProto.INT8), "u8": (np.uint8, TensorProto.UINT8)}


def session(model, level=ort.GraphOptimizationLevel.ORT_DISABLE_ALL, optimized=None, disabled=None):
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", "1")  # not int8 to uint8: that pair saturates
    if optimized:
        options.optimized_model_filepath = optimized
    data = model if isinstance(model, str) else model.SerializeToString()
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"],
                                disabled_optimizers=disabled)


def model_of(nodes, inputs, outputs, initializers):
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=10)


def write(folder, name, model, inputs, expected, rule="equal", oracle="onnxruntime", semantics="fused", wrong="", integers=False):
    case = os.path.join(folder, name)
    os.makedirs(case)
    onnx.save(model, os.path.join(case, "model.onnx"))
    np.savez_compressed(os.path.join(case, "input.npz"), **inputs)
    widened = {key: carrier(value) for key, value in expected.items()}
    np.savez_compressed(os.path.join(case, "expected.npz"), **widened)
    with open(os.path.join(case, "case.toml"), "w") as file:
        file.write(f'oracle = "{oracle}"\nrule = "{rule}"\nsemantics = "{semantics}"\n')
        if integers:
            file.write("integers = true\n")
        if wrong:
            file.write(f"wrong = [{{ {wrong} }}]\n")
    print(f"{name}: {sum(value.size for value in expected.values())} elements, {rule}, {oracle}")


def carrier(value):
    """4-bit values as 8-bit ones."""
    names = {"int4": np.int8, "uint4": np.uint8}
    return value.astype(names[value.dtype.name]) if value.dtype.name in names else value


def scales(rng, count, style, low=-9, high=-6):
    """Powers of two force ties."""
    if style == "ties":
        return np.float32(2.0) ** rng.integers(low, high, count).astype(np.float32)
    return (2.0 ** rng.uniform(low, high, count)).astype(np.float32)


def integers(rng, shape, kind, style):
    info = np.iinfo(TYPES[kind][0])
    if style == "extremes":
        values = rng.choice([info.min, info.max], shape)
    else:
        values = rng.integers(info.min, info.max + 1, shape)
    return values.astype(TYPES[kind][0])


def zero_point(rng, kind, style):
    info = np.iinfo(TYPES[kind][0])
    return TYPES[kind][0](0 if style == "symmetric" else rng.integers(info.min, info.max + 1))


def tensor(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def conv_shape(rng, channels, size):
    groups = [1, 1, 1, 2, 4, channels][rng.integers(6)]
    depth = channels // groups
    out = groups * int(rng.integers(1, 2 + 32 // groups)) if groups < channels else channels * int(rng.integers(1, 3))
    kernel = [int(k) for k in rng.integers(1, 6, 2)]
    strides = [int(s) for s in rng.integers(1, 4, 2)]
    # A window at most as large as the image.
    dilations = [int(rng.integers(1, 3)) if 2 * (k - 1) < size else 1 for k in kernel]
    pads = [int(rng.integers(0, k)) for k in kernel * 2]
    attributes = dict(kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads, group=groups)
    return (out, depth, *kernel), attributes


def qlinear_conv(folder, name, rng, kind, style, size):
    dtype, onnx_type = TYPES[kind]
    channels = 4 * int(rng.integers(1, 9))
    wshape, attributes = conv_shape(rng, channels, size)
    x = integers(rng, (1, channels, size, size + 3), kind, style)
    # Only symmetric weights per channel, or one zero point.
    per_channel = kind == "s8"
    ws = scales(rng, wshape[0] if per_channel else (), style)
    wz = np.zeros(wshape[0], np.int8) if per_channel else zero_point(rng, kind, "")
    k = int(np.prod(wshape[1:]))
    initializers = [
        tensor("xs", scales(rng, (), style)), tensor("xz", zero_point(rng, kind, "")),
        tensor("w", integers(rng, wshape, kind, style)), tensor("ws", ws), tensor("wz", wz),
        tensor("ys", scales(rng, (), style, -9, -5) * np.float32(2.0 ** int(np.log2(k) / 2))),
        tensor("yz", zero_point(rng, kind, "")),
        tensor("b", rng.integers(-20000, 20001, wshape[0]).astype(np.int32)),
    ]
    node = helper.make_node("QLinearConv", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz", "b"], ["y"], name="conv", **attributes)
    model = model_of(
        [node], [helper.make_tensor_value_info("x", onnx_type, x.shape)],
        [helper.make_empty_tensor_value_info("y")], initializers)
    y, = session(model).run(None, {"x": x})
    write(folder, name, model, {"x": x}, {"y": y})


def conv_integer(folder, name, rng, kinds, style, size):
    channels = 4 * int(rng.integers(1, 9))
    wshape, attributes = conv_shape(rng, channels, size)
    x = integers(rng, (1, channels, size, size), kinds[0], style)
    initializers = [
        tensor("w", integers(rng, wshape, kinds[1], style)), tensor("xz", zero_point(rng, kinds[0], "")),
        tensor("wz", zero_point(rng, kinds[1], ""))]
    node = helper.make_node("ConvInteger", ["x", "w", "xz", "wz"], ["y"], name="conv", **attributes)
    model = model_of([node], [helper.make_tensor_value_info("x", TYPES[kinds[0]][1], x.shape)],
                     [helper.make_empty_tensor_value_info("y")], initializers)
    y, = session(model).run(None, {"x": x})
    write(folder, name, model, {"x": x}, {"y": y})


def matrix(folder, name, rng, operator, kinds, style):
    rows, k, n = (int(v) for v in rng.integers(1, 130, 3))
    a = integers(rng, (rows, k), kinds[0], style)
    b = integers(rng, (n, k) if operator == "QGemm" else (k, n), kinds[1], style)
    az = zero_point(rng, kinds[0], "")
    bz = zero_point(rng, kinds[1], "symmetric" if kinds[1] == "s8" else "")
    common = [tensor("b", b), tensor("az", az), tensor("bz", bz)]
    if operator == "MatMulInteger":
        node = helper.make_node(operator, ["a", "b", "az", "bz"], ["y"], name="m")
    else:
        common += [tensor("as", scales(rng, (), style)), tensor("bs", scales(rng, (), style)),
                   tensor("ys", scales(rng, (), style, -9, -5) * np.float32(2.0 ** int(np.log2(k) / 2))),
                   tensor("yz", zero_point(rng, kinds[0], ""))]
        if operator == "QGemm":
            common.append(tensor("c", rng.integers(-20000, 20001, n).astype(np.int32)))
            node = helper.make_node(operator, ["a", "as", "az", "b", "bs", "bz", "c", "ys", "yz"], ["y"], name="m",
                                    domain="com.microsoft", transB=1)
        else:
            node = helper.make_node(operator, ["a", "as", "az", "b", "bs", "bz", "ys", "yz"], ["y"], name="m")
    model = model_of([node], [helper.make_tensor_value_info("a", TYPES[kinds[0]][1], a.shape)],
                     [helper.make_empty_tensor_value_info("y")], common)
    y, = session(model).run(None, {"a": a})
    write(folder, name, model, {"a": a}, {"y": y})


def add_and_pool(folder, name, rng, kind, style, size):
    """x → max pool, x + pool on other grids, global average."""
    channels = int(rng.integers(1, 40))
    x = integers(rng, (1, channels, size, size), kind, style)
    one = lambda n: [tensor(n + "s", scales(rng, (), style)), tensor(n + "z", zero_point(rng, kind, ""))]
    initializers = one("x") + one("p") + one("y") + one("g")
    nodes = [
        helper.make_node("MaxPool", ["x"], ["p"], name="pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("QLinearAdd", ["x", "xs", "xz", "p", "ps", "pz", "ys", "yz"], ["y"], name="add", domain="com.microsoft"),
        helper.make_node("QLinearGlobalAveragePool", ["y", "ys", "yz", "gs", "gz"], ["g"], name="mean", domain="com.microsoft", channels_last=0)]
    names = ["p", "y", "g"]
    model = model_of(nodes, [helper.make_tensor_value_info("x", TYPES[kind][1], x.shape)],
                     [helper.make_empty_tensor_value_info(n) for n in names], initializers)
    write(folder, name, model, {"x": x}, dict(zip(names, session(model).run(None, {"x": x}))))


# Float networks, quantized by ONNX Runtime's own tool.

class Net:
    def __init__(self, rng, classes):
        self.rng, self.classes, self.nodes, self.initializers, self.count = rng, classes, [], [], 0

    def name(self, kind):
        self.count += 1
        return f"{kind}_{self.count}"

    def conv(self, x, cin, cout, kernel, stride, relu=True, groups=1):
        name = self.name("conv")
        fan = cin // groups * kernel * kernel
        w = (self.rng.standard_normal((cout, cin // groups, kernel, kernel)) * np.sqrt(2 / fan)).astype(np.float32)
        b = (self.rng.standard_normal(cout) * 0.1).astype(np.float32)
        self.initializers += [tensor(name + ".w", w), tensor(name + ".b", b)]
        self.nodes.append(helper.make_node(
            "Conv", [x, name + ".w", name + ".b"], [name], name=name, kernel_shape=[kernel] * 2, strides=[stride] * 2,
            pads=[kernel // 2] * 4, group=groups))
        return self.op("Relu", [name]) if relu else name

    def op(self, operator, inputs, **attributes):
        name = self.name(operator.lower())
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def finish(self, x, channels, size):
        x = self.op("Flatten", [self.op("GlobalAveragePool", [x])])
        w = (self.rng.standard_normal((self.classes, channels)) / np.sqrt(channels)).astype(np.float32)
        self.initializers += [tensor("fc.w", w), tensor("fc.b", np.zeros(self.classes, np.float32))]
        self.nodes.append(helper.make_node("Gemm", [x, "fc.w", "fc.b"], ["logits"], name="fc", transB=1))
        model = model_of(self.nodes, [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
                         [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, self.classes])], self.initializers)
        onnx.checker.check_model(model)
        return onnx.shape_inference.infer_shapes(model)


def small_resnet(rng, size, width, classes=10, pool="MaxPool"):
    """ResNet-8 with a pool and a depthwise convolution besides."""
    net = Net(rng, classes)
    x = net.op(pool, [net.conv("image", 3, width, 3, 1)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    cin = width
    for stage in range(3):
        cout, stride = width << stage, 1 if stage == 0 else 2
        shortcut = x if stage == 0 else net.conv(x, cin, cout, 1, stride, relu=False)
        y = net.conv(net.conv(x, cin, cout, 3, stride), cout, cout, 3, 1, relu=False)
        x, cin = net.op("Relu", [net.op("Add", [y, shortcut])]), cout
    x = net.conv(x, cin, cin, 3, 1, groups=cin)
    return net.finish(x, cin, size)


def resnet(rng, depth, size=224, classes=1000):
    """ResNet-18 (basic blocks) and ResNet-50 v1.5 (bottlenecks, stride in the 3×3)."""
    blocks, bottleneck = {18: ([2, 2, 2, 2], False), 50: ([3, 4, 6, 3], True)}[depth]
    net = Net(rng, classes)
    x = net.op("MaxPool", [net.conv("image", 3, 64, 7, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    cin = 64
    for stage, count in enumerate(blocks):
        mid = 64 << stage
        cout = mid * 4 if bottleneck else mid
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            shortcut = net.conv(x, cin, cout, 1, stride, relu=False) if block == 0 and (stride > 1 or cin != cout) else x
            if bottleneck:
                y = net.conv(net.conv(net.conv(x, cin, mid, 1, 1), mid, mid, 3, stride), mid, cout, 1, 1, relu=False)
            else:
                y = net.conv(net.conv(x, cin, mid, 3, stride), mid, mid, 3, 1, relu=False)
            x, cin = net.op("Relu", [net.op("Add", [y, shortcut])]), cout
    return net.finish(x, cin, size)


class Reader(CalibrationDataReader):
    def __init__(self, images):
        self.images = iter([{"image": image} for image in images])

    def get_next(self):
        return next(self.images, None)


def quantized(folder, model, calibration, form, kind, symmetric):
    source, target = os.path.join(folder, "float.tmp.onnx"), os.path.join(folder, "quantized.tmp.onnx")
    onnx.save(model, source)
    quantize_static(
        source, target, Reader(calibration),
        quant_format=QuantFormat.QDQ if form == "qdq" else QuantFormat.QOperator,
        per_channel=kind == "s8", activation_type=QuantType.QInt8 if kind == "s8" else QuantType.QUInt8,
        weight_type=QuantType.QInt8 if kind == "s8" else QuantType.QUInt8,
        extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": kind == "s8"})
    result = onnx.load(target)
    os.remove(source)
    os.remove(target)
    return result


def every_output(model):
    """The model with every node's output as a graph output."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    known = {output.name for output in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in known:
                model.graph.output.append(helper.make_empty_tensor_value_info(name))
    return model


def fused_outputs(folder, model, inputs):
    """Integer tensors and results of the graph that ONNX Runtime executes after fusing."""
    optimized = os.path.join(folder, "optimized.tmp.onnx")
    fused = session(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    results = {output.name: value for output, value in zip(fused.get_outputs(), fused.run(None, inputs))}
    # All but changes of layout, which rename tensors.
    session(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL, optimized, ["NhwcTransformer", "NchwcTransformer"])
    dumped = every_output(onnx.load(optimized))
    os.remove(optimized)
    original = {name for node in model.graph.node for name in node.output}
    run = session(dumped)
    for output, value in zip(run.get_outputs(), run.run(None, inputs)):
        # The fusing names its own tensors; those of the model are the ones to compare.
        if output.name in original and value.dtype in (np.int8, np.uint8):
            results[output.name] = value
    return results


def network(folder, name, rng, model, form, kind, size, symmetric=False):
    random = lambda: rng.standard_normal((1, 3, size, size)).astype(np.float32)
    model = quantized(folder, model, [random() for _ in range(3)], form, kind, symmetric)
    inputs = {"image": random()}
    if form == "qdq":
        expected = fused_outputs(folder, model, inputs)
    else:
        run = session(every_output(model))
        expected = {o.name: v for o, v in zip(run.get_outputs(), run.run(None, inputs)) if v.dtype != np.float32}
        if not symmetric:
            expected["logits"], = session(model).run(["logits"], inputs)
    # Symmetric activations keep the last ReLU, and with it a global average in float, whose order is ORT's own.
    write(folder, name, model, inputs, expected, rule="near" if symmetric and form == "qoperator" else "equal")
    return model, inputs


def unfused(folder, name, model, inputs, oracle, semantics="fused"):
    """The same graph node by node in float."""
    full = every_output(model)
    if oracle == "onnx.reference":
        names = [output.name for output in full.graph.output]
        values = ReferenceEvaluator(full).run(names, inputs)
    else:
        run = session(full)
        names, values = [o.name for o in run.get_outputs()], run.run(None, inputs)
    expected = {n: np.asarray(v) for n, v in zip(names, values) if np.asarray(v).dtype in (np.int8, np.uint8)}
    write(folder, name, model, inputs, expected, rule="near", oracle=oracle, semantics=semantics)


def int4(folder, name, rng, activations, size):
    """4-bit weights per channel (and activations) between DequantizeLinear and QuantizeLinear."""
    channels, out = 8, 12
    w = rng.integers(-8, 8, (out, channels, 3, 3))
    xs, ys = np.float32(0.11), np.float32(0.9)
    ws = scales(rng, out, "")
    types = {4: (TensorProto.INT4, 0), 8: (TensorProto.INT8, 3)}
    onnx_type, xz = types[activations]
    zero = lambda name, count: helper.make_tensor(name, TensorProto.INT4, [count], [0] * count)
    initializers = [
        helper.make_tensor("w", TensorProto.INT4, w.shape, w.ravel()), tensor("ws", ws), zero("wz", out),
        tensor("xs", xs), helper.make_tensor("xz", onnx_type, [], [xz]), tensor("ys", ys),
        helper.make_tensor("yz", onnx_type, [], [0]),
        tensor("b", rng.integers(-50, 50, out).astype(np.int32)), tensor("bs", xs * ws), tensor("bz", np.zeros(out, np.int32))]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bd"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"])]
    if activations == 4:  # 4-bit outputs are read through their dequantized values
        nodes.append(helper.make_node("DequantizeLinear", ["y", "ys", "yz"], ["yd"]))
    last = "yd" if activations == 4 else "y"
    x = rng.standard_normal((1, channels, size, size)).astype(np.float32)
    model = model_of(nodes, [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
                     [helper.make_empty_tensor_value_info(last)], initializers)
    y, = session(model).run(None, {"x": x})
    if activations == 4:
        write(folder, name, model, {"x": x}, {"y": np.rint(y / ys).astype(np.int8)}, rule="near")
    else:
        write(folder, name, model, {"x": x}, {"y": y}, rule="near")


def trained_oracle(folder, name, count):
    """The trained ResNet-8's own trace, on the first test images."""
    images = trained.test_set()["images"][:count]
    case = os.path.join(folder, "trace-" + name)
    os.makedirs(case)
    expected = trained.as_oracle(session, name, images)
    np.savez_compressed(os.path.join(case, "input.npz"), images=images)
    np.savez_compressed(os.path.join(case, "expected.npz"), **expected)
    with open(os.path.join(case, "case.toml"), "w") as file:
        file.write(f'oracle = "onnxruntime, a trace\'s operations"\nrule = "equal"\nnetwork = "workloads/{name}.toml"\n')
    print(f"trace-{name}: {sum(value.size for value in expected.values())} elements")


def trained_import(folder, name, count):
    """The trained ResNet-8 in float, quantized S8S8 by ONNX Runtime's tool; calibrated on the last test images, executed on
    the first. Beside it a network file and the class of every test image."""
    images = trained.normalized(trained.test_set()["images"])
    model = quantized(folder, trained.float_model(name), [image[None] for image in images[-100:]], "qdq", "s8", False)
    results = [fused_outputs(folder, model, {"image": image[None]}) for image in images[:count]]
    expected = {key: np.concatenate([result[key] for result in results]) for key in results[0]}
    case = f"imported-{name}"
    write(folder, case, model, {"image": images[:count]}, expected)
    fused = session(model, ort.GraphOptimizationLevel.ORT_ENABLE_ALL)
    classes = np.asarray([fused.run(None, {"image": image[None]})[0].argmax() for image in images], np.uint8)
    classes.tofile(os.path.join(folder, case, "predictions"))
    test_set = os.path.relpath(os.path.join(trained.REPOSITORY, "workloads/fashion-mnist-test.safetensors"), os.path.join(folder, case))
    with open(os.path.join(folder, case, "network.toml"), "w") as file:
        file.write(f"""# {name}'s weights in f32, quantized S8S8 by ONNX Runtime's quantize_static (tests/oracles/onnxruntime/trained.py).
schema_version = 1
name = "{name}-onnxruntime-s8s8"
family = "resnet8-fashion-mnist"

[model]
onnx = "model.onnx"

[evaluation]
set = "{test_set}"
mean = [72.94035]
std = [90.021]
predictions = "predictions" # ONNX Runtime's
""")


def operators(folder, rng, sizes, rounds, tag=""):
    for index in range(rounds):
        style = ["", "ties", "extremes", ""][index % 4]
        size = int(rng.integers(*sizes))
        for kind in ("s8", "u8"):
            qlinear_conv(folder, f"{tag}qlinearconv-{kind}-{index}", rng, kind, style, size)
            matrix(folder, f"{tag}qlinearmatmul-{kind}-{index}", rng, "QLinearMatMul", (kind, kind), style)
            matrix(folder, f"{tag}qgemm-{kind}-{index}", rng, "QGemm", (kind, kind), style)
            add_and_pool(folder, f"{tag}add-pool-{kind}-{index}", rng, kind, style, size)
        for kinds in (("s8", "s8"), ("u8", "s8"), ("u8", "u8")):
            if kinds[0] == "u8":  # s8: shapes.py
                conv_integer(folder, f"{tag}convinteger-{'-'.join(kinds)}-{index}", rng, kinds, style, size)
            matrix(folder, f"{tag}matmulinteger-{'-'.join(kinds)}-{index}", rng, "MatMulInteger", kinds, style)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, required=True)
    group = parser.add_mutually_exclusive_group(required=True)
    for option in ("small", "live", "networks"):
        group.add_argument(f"--{option}", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    folder = arguments.folder
    os.makedirs(folder, exist_ok=True)
    if arguments.small:
        operators(folder, rng, (5, 9), 2)
        for activations in (4, 8):
            int4(folder, f"int4-weights-int{activations}", rng, activations, 6)
        for form, kind in (("qdq", "s8"), ("qoperator", "u8")):
            network(folder, f"resnet8-{form}-{kind}", rng, small_resnet(rng, 12, 4), form, kind, 12)
        shapes.small(folder, rng, sys.modules[__name__])
        pools.small(folder, rng, sys.modules[__name__])
        trained_oracle(folder, "resnet8-width4-mostly-4-bit", 2)
        trained_import(folder, "resnet8-width16-w8a8", 4)
    elif arguments.live:
        operators(folder, rng, (24, 48), 12)
        for activations in (4, 8):
            int4(folder, f"int4-weights-int{activations}", rng, activations, 40)
        for form in ("qdq", "qoperator"):
            for kind in ("s8", "u8"):
                for symmetric in (False, True) if kind == "s8" else (False,):
                    name = f"resnet8-{form}-{kind}{'-symmetric' if symmetric else ''}"
                    model, inputs = network(folder, name, rng, small_resnet(rng, 32, 16), form, kind, 32, symmetric)
                    if form == "qdq":
                        unfused(folder, name + "-unfused", model, inputs, "onnxruntime, optimizations off")
                        unfused(folder, name + "-reference", model, inputs, "onnx.reference")
                        unfused(folder, name + "-float", model, inputs, "onnxruntime, optimizations off, --semantics float", "float")
        shapes.live(folder, rng, sys.modules[__name__])
        for form, kind in itertools.product(("qdq", "qoperator"), ("s8", "u8")):
            model = small_resnet(rng, 24, 8, pool="AveragePool")
            network(folder, f"average-pooled-{form}-{kind}", rng, model, form, kind, 24)
        pools.live(folder, rng, sys.modules[__name__])
        for name in ("resnet8-width16-w8a8", "resnet8-width16-mostly-4-bit"):
            trained_oracle(folder, name, 16)
        trained_import(folder, "resnet8-width16-w8a8", 16)
    else:
        for depth in (18, 50):
            model = resnet(rng, depth)
            for form, kind in (("qdq", "s8"), ("qoperator", "u8")):
                network(folder, f"resnet{depth}-{form}-{kind}", rng, model, form, kind, 224)


if __name__ == "__main__":
    sys.exit(main())
