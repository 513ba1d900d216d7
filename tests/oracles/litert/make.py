"""Cases whose expected values are LiteRT's (TensorFlow Lite): one int8 layer each, as a .tflite model for LiteRT and as the
same layer in QDQ form for systolab. Folders {case.toml, model.onnx, input.npz, expected.npz}.

LiteRT computes a layer in several ways, chosen by the resolver; which requantization each is was found by comparing:
  BUILTIN_REF  convolutions round twice (gemmlowp-double), fully connected layers once, halves away from zero
  AUTO         XNNPACK: f32-rne
BUILTIN_WITHOUT_DEFAULT_DELEGATES matches no known formula and is not an oracle.

ADD and MEAN with BUILTIN_REF round twice (gemmlowp-double); with XNNPACK they are other formulas, which systolab does not
have. AVERAGE_POOL_2D rounds halves away from zero with both. Max pools round nothing.

usage: make.py FOLDER --seed N (--small | --live)
"""
import argparse
import os
import sys

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, helper, numpy_helper

RESOLVERS = {"reference": OpResolverType.BUILTIN_REF, "xnnpack": OpResolverType.AUTO}
ROUNDINGS = ("half-even", "half-up", "half-away", "floor", "toward-zero")


def rule(kind, resolver):
    """Requantization, and its rounding where there is a choice."""
    if resolver == "xnnpack":
        return "f32-rne", None
    return ("tflite-single", "half-away") if kind == "linear" else ("gemmlowp-double", None)


def tensor(name, shape, kind, buffer, scale, zero_point, axis=0):
    result = schema.TensorT()
    result.name, result.shape, result.type, result.buffer = name, list(shape), kind, buffer
    quantization = schema.QuantizationParametersT()
    quantization.scale = [float(s) for s in np.atleast_1d(scale)]
    quantization.zeroPoint = [int(zero_point)] * len(quantization.scale)
    quantization.quantizedDimension = axis
    result.quantization = quantization
    return result


def tflite(operator, version, options_type, options, x, constants, y, *more):
    """A model of one layer; x, y and more inputs are (shape, scale, zero point), constants (values, scales, axis)."""
    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = version
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT()]
    for values, _, _ in constants:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        model.buffers.append(buffer)
    kinds = {"int8": schema.TensorType.INT8, "int32": schema.TensorType.INT32}
    graph = schema.SubGraphT()
    graph.tensors = [tensor("x", x[0], kinds["int8"], 0, x[1], x[2])]
    for index, (values, scale, axis) in enumerate(constants):
        graph.tensors.append(tensor(f"c{index}", values.shape, kinds[values.dtype.name], index + 1, scale, 0, axis))
    inputs = [0]
    for index, (shape, scale, zero) in enumerate(more):
        inputs.append(len(graph.tensors))
        graph.tensors.append(tensor(f"x{index}", shape, kinds["int8"], 0, scale, zero))
    graph.tensors.append(tensor("y", y[0], kinds["int8"], 0, y[1], y[2]))
    last = len(graph.tensors) - 1
    graph.inputs, graph.outputs = inputs, [last]
    layer = schema.OperatorT()
    layer.opcodeIndex, layer.inputs, layer.outputs = 0, list(range(last)), [last]
    layer.builtinOptionsType, layer.builtinOptions = options_type, options
    graph.operators = [layer]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run(model, resolver, *inputs):
    interpreter = Interpreter(model_content=model, experimental_op_resolver_type=RESOLVERS[resolver], num_threads=1)
    interpreter.allocate_tensors()
    for details, x in zip(interpreter.get_input_details(), inputs):
        interpreter.set_tensor(details["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def qdq(operator, relu, x, w, b, y, zx, zy, **attributes):
    """The same layer between DequantizeLinear and QuantizeLinear; w and b are (values, scales)."""
    initializers = {
        "xs": x[1], "xz": np.int8(zx), "ws": w[1], "wz": np.zeros(np.shape(w[1]), np.int8), "w": w[0], "b": b[0], "bs": b[1],
        "bz": np.zeros(np.shape(b[1]), np.int32), "ys": y[1], "yz": np.int8(zy)}
    last = "r" if relu else "c"
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        helper.make_node(operator, ["xd", "wd", "bd"], ["c"], name="layer", **attributes),
        *([helper.make_node("Relu", ["c"], ["r"])] if relu else []),
        helper.make_node("QuantizeLinear", [last, "ys", "yz"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.INT8, x[0])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in initializers.items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def write(folder, name, kind, resolver, style, model, x, y):
    for requantization, rounding in requantizations(kind, resolver, style):
        case = os.path.join(folder, "-".join(filter(None, [name, requantization, rounding])))
        os.makedirs(case)
        onnx.save(model, os.path.join(case, "model.onnx"))
        np.savez_compressed(os.path.join(case, "input.npz"), x=x)
        np.savez_compressed(os.path.join(case, "expected.npz"), y=y)
        others = [("f32-rne", None), ("gemmlowp-double", None), ("tflite-single", "half-up"), ("tflite-single", "half-away")]
        if requantization == "pow2-shift":
            others = [("pow2-shift", other) for other in ROUNDINGS]
        wrong = ", ".join(f"{{ {keys(*other, ', ')} }}" for other in others if other != (requantization, rounding))
        with open(os.path.join(case, "case.toml"), "w") as file:
            shift = ", as a shift" if requantization == "pow2-shift" else ""
            file.write(f'oracle = "LiteRT {resolver}, {kind}{shift}"\nrule = "equal"\n')
            file.write(f"{keys(requantization, rounding)}\nwrong = [{wrong}]\n")


def keys(requantization, rounding, separator="\n"):
    named = {"requantization": requantization, "rounding": rounding}
    return separator.join(f'{key} = "{value}"' for key, value in named.items() if value)


def scales(rng, style, channels, k):
    """Of input, weights and output, and the largest weight. Powers of two and few bits to drop make ties frequent."""
    if style == "ties":
        xs, ws = 2.0 ** -5, 2.0 ** -(8 + rng.integers(0, 2, channels))
        return np.float32(xs), np.float32(ws), np.float32(2.0 ** (np.ceil(np.log2(k) / 2) - 8)), 8
    xs, ws = rng.uniform(0.01, 0.1), rng.uniform(0.001, 0.01, channels)
    return np.float32(xs), np.float32(ws), np.float32(xs * 0.0055 * np.sqrt(k) * 73 * 73 / 60), 127


def requantizations(kind, resolver, style):
    """The rule, and with powers of two the shift that it then is."""
    result = [rule(kind, resolver)]
    if style == "ties" and resolver == "xnnpack":
        result.append(("pow2-shift", "half-even"))
    if style == "ties" and (kind, resolver) == ("linear", "reference"):
        result.append(("pow2-shift", "half-away"))
    return result


def same_padding(size, kernel, stride, dilation):
    total = max((-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def convolution(folder, name, rng, resolver, style, size, depthwise):
    kind = "depthwise" if depthwise else "conv"
    cin = int(rng.integers(1, 9))
    cout = cin * int(rng.integers(1, 4)) if depthwise else int(rng.integers(8, 25))
    kernel = [int(v) for v in rng.integers(1, 5, 2)]
    dilations = [int(v) for v in rng.integers(1, 3, 2)]
    strides = [1, 1] if max(dilations) > 1 else [int(rng.integers(1, 3))] * 2
    height, width = size, size + 3
    same, relu = bool(rng.integers(2)), bool(rng.integers(2))
    k = kernel[0] * kernel[1] * (1 if depthwise else cin)
    xs, ws, ys, largest = scales(rng, style, cout, k)
    zx, zy = (int(v) for v in rng.integers(-40, 41, 2))
    x = rng.integers(-128, 128, (1, height, width, cin)).astype(np.int8)
    w = rng.integers(-largest, largest + 1, (1, *kernel, cout) if depthwise else (cout, *kernel, cin)).astype(np.int8)
    b = rng.integers(-160 * largest, 160 * largest + 1, cout).astype(np.int32)
    if depthwise:
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = cout // cin
        operator, options_type = schema.BuiltinOperator.DEPTHWISE_CONV_2D, schema.BuiltinOptions.DepthwiseConv2DOptions
    else:
        options = schema.Conv2DOptionsT()
        operator, options_type = schema.BuiltinOperator.CONV_2D, schema.BuiltinOptions.Conv2DOptions
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = strides
    options.dilationHFactor, options.dilationWFactor = dilations
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    pads = [same_padding(s, *rest) if same else (0, 0) for s, *rest in zip((height, width), kernel, strides, dilations)]
    out = [(s + sum(p) - (kk - 1) * d - 1) // st + 1 for s, p, kk, st, d in zip((height, width), pads, kernel, strides, dilations)]
    bs = xs * ws
    model = tflite(operator, 3, options_type, options, (x.shape, xs, zx), [(w, ws, 3 if depthwise else 0), (b, bs, 0)],
                   ((1, *out, cout), ys, zy))
    y = run(model, resolver, x)
    onnx_w = w.transpose(3, 0, 1, 2) if depthwise else w.transpose(0, 3, 1, 2)
    onnx_model = qdq(
        "Conv", relu, ((1, cin, height, width), xs), (np.ascontiguousarray(onnx_w), ws), (b, bs), (None, ys), zx, zy,
        kernel_shape=kernel, strides=strides, dilations=dilations, group=cin if depthwise else 1,
        pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]])
    first = np.ascontiguousarray(x.transpose(0, 3, 1, 2)), np.ascontiguousarray(y.transpose(0, 3, 1, 2))
    write(folder, f"litert-{kind}-{resolver}-{name}", kind, resolver, style, onnx_model, *first)
    return y.size


def linear(folder, name, rng, resolver, style, rows, columns):
    k, n = int(rng.integers(8, 80)), int(rng.integers(columns // 2, columns))
    relu, per_channel = bool(rng.integers(2)), bool(rng.integers(2))
    # A ReLU would hide the negative halves by which rounding modes differ.
    relu = relu and style != "ties"
    xs, ws, ys, largest = scales(rng, style, n if per_channel else 1, k)
    if not per_channel:
        ws = ws[0]
    zx, zy = (int(v) for v in rng.integers(-40, 41, 2))
    x = rng.integers(-128, 128, (rows, k)).astype(np.int8)
    w = rng.integers(-largest, largest + 1, (n, k)).astype(np.int8)
    b = rng.integers(-160 * largest, 160 * largest + 1, n).astype(np.int32)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    bs = xs * ws
    model = tflite(schema.BuiltinOperator.FULLY_CONNECTED, 12, schema.BuiltinOptions.FullyConnectedOptions, options,
                   (x.shape, xs, zx), [(w, ws, 0), (b, bs, 0)], ((rows, n), ys, zy))
    y = run(model, resolver, x)
    onnx_model = qdq("Gemm", relu, (x.shape, xs), (w, ws), (b, bs), (None, ys), zx, zy, transB=1)
    write(folder, f"litert-linear-{resolver}-{name}", "linear", resolver, style, onnx_model, x, y)
    return y.size


def pool(folder, name, rng, resolver, size, kind):
    """No requantization: LiteRT gives input and output one scale and zero point. `kind` is max or average."""
    channels, height, width = int(rng.integers(1, 9)), size, size + 3
    kernel, strides = ([int(v) for v in rng.integers(1, 4, 2)] for _ in range(2))
    same, scale, zero = bool(rng.integers(2)), np.float32(rng.uniform(0.01, 0.1)), int(rng.integers(-40, 41))
    x = rng.integers(-128, 128, (1, height, width, channels)).astype(np.int8)
    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME if same else schema.Padding.VALID
    options.strideH, options.strideW = strides
    options.filterHeight, options.filterWidth = kernel
    pads = [same_padding(s, *rest, 1) if same else (0, 0) for s, *rest in zip((height, width), kernel, strides)]
    out = [(s + sum(p) - k) // st + 1 for s, p, k, st in zip((height, width), pads, kernel, strides)]
    operator = getattr(schema.BuiltinOperator, f"{kind.upper()}_POOL_2D")
    model = tflite(operator, 2, schema.BuiltinOptions.Pool2DOptions, options,
                   (x.shape, scale, zero), [], ((1, *out, channels), scale, zero))
    y = run(model, resolver, x)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["xd"]),
        helper.make_node(f"{kind.capitalize()}Pool", ["xd"], ["m"], name="layer", kernel_shape=kernel, strides=strides,
                         pads=[pads[0][0], pads[1][0], pads[0][1], pads[1][1]]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.INT8, (1, channels, height, width))],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(scale, "s"), numpy_helper.from_array(np.int8(zero), "z")])
    case = os.path.join(folder, f"litert-{kind}-pool-{resolver}-{name}")
    os.makedirs(case)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), os.path.join(case, "model.onnx"))
    first = lambda values: np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    np.savez_compressed(os.path.join(case, "input.npz"), x=first(x))
    np.savez_compressed(os.path.join(case, "expected.npz"), y=first(y))
    with open(os.path.join(case, "case.toml"), "w") as file:
        file.write(f'oracle = "LiteRT {resolver}, {kind} pool"\nrule = "equal"\n')
        if kind == "average":
            file.write('requantization = "gemmlowp-double"\nwrong = [{ requantization = "f32-rne" }]\n')
    return y.size


def reference_case(folder, name, kind, wrong, nodes, initializers, x, y):
    """A case of the reference kernels; x and y are NCHW."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("x", TensorProto.INT8, x.shape)],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in initializers.items()])
    case = os.path.join(folder, f"litert-{kind}-reference-{name}")
    os.makedirs(case)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), os.path.join(case, "model.onnx"))
    np.savez_compressed(os.path.join(case, "input.npz"), x=x)
    np.savez_compressed(os.path.join(case, "expected.npz"), y=y)
    wrong = ", ".join(f"{{ {keys(*other, ', ')} }}" for other in wrong)
    with open(os.path.join(case, "case.toml"), "w") as file:
        file.write(f'oracle = "LiteRT reference, {kind}"\nrule = "equal"\nrequantization = "gemmlowp-double"\nwrong = [{wrong}]\n')


def quantization(rng, style, low, high):
    """A scale and a zero point; powers of two make halves frequent."""
    scale = 2.0 ** -rng.integers(3, 7) if style == "ties" else rng.uniform(low, high)
    return np.float32(scale), int(rng.integers(-40, 41))


def first_channels(values):
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def add(folder, name, rng, style, size):
    """Both operands are channels of one input, taken by convolutions that change no integer: a model has one input."""
    channels, relu = 4, bool(rng.integers(2))
    shape = (1, size, size + 3, channels)
    a, b, c = (quantization(rng, style, 0.01, 0.1) for _ in range(3))
    if style == "ties":
        c = np.float32(4 * max(a[0], b[0])), c[1]  # coarser than the sums
        relu = False
    x = rng.integers(-128, 128, (*shape[:3], 2 * channels)).astype(np.int8)
    halves = np.ascontiguousarray(x[..., :channels]), np.ascontiguousarray(x[..., channels:])
    options = schema.AddOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU if relu else schema.ActivationFunctionType.NONE
    model = tflite(schema.BuiltinOperator.ADD, 2, schema.BuiltinOptions.AddOptions, options, (shape, *a), [], (shape, *c), (shape, *b))
    y = run(model, "reference", *halves)
    eye = np.eye(2 * channels, dtype=np.int8).reshape(2 * channels, 2 * channels, 1, 1)
    initializers = {"one": np.float32(1), "zero": np.int8(0), "zeros": np.int32(0), "cs": c[0], "cz": np.int8(c[1])}
    nodes = [helper.make_node("DequantizeLinear", ["x", "one", "zero"], ["xd"])]
    for key, (scale, zero), weights in (("a", a, eye[:channels]), ("b", b, eye[channels:])):
        # (x − 0)·1·scale − zero·scale on the grid (scale, zero): x.
        initializers |= {f"{key}w": weights, f"{key}b": np.full(channels, -zero, np.int32), f"{key}s": scale, f"{key}z": np.int8(zero)}
        nodes += [
            helper.make_node("DequantizeLinear", [f"{key}w", f"{key}s", "zero"], [f"{key}wd"]),
            helper.make_node("DequantizeLinear", [f"{key}b", f"{key}s", "zeros"], [f"{key}bd"]),
            helper.make_node("Conv", ["xd", f"{key}wd", f"{key}bd"], [f"{key}c"], name=f"conv {key}"),
            helper.make_node("QuantizeLinear", [f"{key}c", f"{key}s", f"{key}z"], [f"{key}q"]),
            helper.make_node("DequantizeLinear", [f"{key}q", f"{key}s", f"{key}z"], [f"{key}d"])]
    nodes += [
        helper.make_node("Add", ["ad", "bd"], ["sum"], name="add"),
        *([helper.make_node("Relu", ["sum"], ["r"])] if relu else []),
        helper.make_node("QuantizeLinear", ["r" if relu else "sum", "cs", "cz"], ["y"])]
    wrong = [("f32-rne", None), ("tflite-single", "half-up")]
    reference_case(folder, f"{style}-{name}", "add", wrong, nodes, initializers, first_channels(x), first_channels(y))
    return y.size


def mean(folder, name, rng, style, channels):
    height, width = (int(v) for v in rng.integers(1, 8, 2))
    a, c = (quantization(rng, style, 0.02, 0.06) for _ in range(2))
    x = rng.integers(-128, 128, (1, height, width, channels)).astype(np.int8)
    options = schema.ReducerOptionsT()
    options.keepDims = True
    axes = np.array([1, 2], np.int32), 0.0, 0
    model = tflite(schema.BuiltinOperator.MEAN, 2, schema.BuiltinOptions.ReducerOptions, options, (x.shape, *a), [axes],
                   ((1, 1, 1, channels), *c))
    y = run(model, "reference", x)
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "as", "az"], ["xd"]),
        helper.make_node("GlobalAveragePool", ["xd"], ["m"], name="mean"),
        helper.make_node("QuantizeLinear", ["m", "cs", "cz"], ["y"])]
    initializers = {"as": a[0], "az": np.int8(a[1]), "cs": c[0], "cz": np.int8(c[1])}
    wrong = [("f32-rne", None), ("tflite-single", "half-up"), ("tflite-single", "half-away")]
    reference_case(folder, f"{style}-{name}", "mean", wrong, nodes, initializers, first_channels(x), first_channels(y))
    return y.size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, required=True)
    group = parser.add_mutually_exclusive_group(required=True)
    for option in ("small", "live"):
        group.add_argument(f"--{option}", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    os.makedirs(arguments.folder, exist_ok=True)
    size, rows, columns, elements = (8, 60, 60, 1) if arguments.small else (48, 300, 200, 200_000)
    for resolver in RESOLVERS:
        for depthwise in (False, True):
            for style in ("random", "ties"):
                done, index = 0, 0
                while done < elements // 2 + 1:
                    done += convolution(arguments.folder, f"{style}-{index}", rng, resolver, style, size, depthwise)
                    index += 1
        for style in ("random", "ties"):
            done, index = 0, 0
            while done < elements // 2 + 1:
                done += linear(arguments.folder, f"{style}-{index}", rng, resolver, style, rows, columns)
                index += 1
    for style in ("random", "ties"):
        done, index = 0, 0
        while done < elements // 2 + 1:
            done += add(arguments.folder, str(index), rng, style, 8 if arguments.small else 60)
            index += 1
        done, index = 0, 0
        while done < elements // 2 + 1:
            done += mean(arguments.folder, str(index), rng, style, 400 if arguments.small else 6000)
            index += 1
    for resolver in RESOLVERS:
        for index in range(1 if arguments.small else 12):
            pool(arguments.folder, str(index), rng, resolver, size, "max")
        done, index = 0, 0
        while done < elements:
            done += pool(arguments.folder, str(index), rng, resolver, 8 if arguments.small else 96, "average")
            index += 1


if __name__ == "__main__":
    sys.exit(main())
