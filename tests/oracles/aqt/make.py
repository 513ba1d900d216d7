"""Cases whose integers are AQT's: networks of ours whose weights and activations aqtp's legacy or v2 quantizer quantizes
and whose dot products JAX sums in int32. Folders {case.toml, network.toml, trace.safetensors, input.npz, expected.npz}.

Values between the dot products (multiplier, bias, shortcut, ReLU, bfloat16) follow docs/formats.md in numpy's f32 and in
ml_dtypes.

usage: make.py FOLDER --seed N (--small | --live)
"""
import argparse
import os
import sys
import types

import ml_dtypes
import numpy as np


def without_tensorflow():
    """aqt.jax_legacy imports TensorFlow for a cost estimator that is not used here."""
    parent = None
    for name in ("tensorflow", "tensorflow.compiler", "tensorflow.compiler.xla", "tensorflow.compiler.xla.service",
                 "tensorflow.compiler.xla.service.hlo_pb2"):
        module = sys.modules[name] = types.ModuleType(name)
        if parent is not None:
            setattr(parent, name.rsplit(".", 1)[1], module)
        parent = module
    parent.__getattr__ = lambda attribute: object


without_tensorflow()
import jax.numpy as jnp  # noqa: E402
from absl import flags  # noqa: E402
from aqt.jax.v2 import aqt_tensor, calibration, utils  # noqa: E402
from aqt.jax.v2.numerics import int_numerics  # noqa: E402
from aqt.jax_legacy.jax import quantization  # noqa: E402
from jax import lax  # noqa: E402
from safetensors.numpy import save_file  # noqa: E402

flags.FLAGS(["make.py"])
F32 = np.float32


class Legacy:
    name = "aqt-legacy"

    @staticmethod
    def weights(w, bits):
        """Integers of HWIO weights, and a scale per output channel."""
        parameters = quantization.QuantOps.WeightParams(prec=bits, axis=tuple(range(w.ndim - 1)), half_shift=False)
        operations = quantization.QuantOps.create_weights_ops(jnp.asarray(w), weight_params=parameters)
        integers = np.asarray(operations.to_quantized(jnp.asarray(w), dtype=jnp.float32)).astype(np.int8)
        return integers, np.asarray(operations._scale).ravel()

    @staticmethod
    def activations(bound, bits, signed):
        """The scale for a bound, and the function that quantizes."""
        if signed:
            operations = quantization.QuantOps.create_symmetric(bounds=F32(bound), prec=bits, half_shift=False)
        else:
            operations = quantization.QuantOps.create_positive(bounds=F32(bound), prec=bits)
        quantize = lambda x: np.asarray(operations.to_quantized(jnp.asarray(x), dtype=jnp.float32)).astype(np.int32)
        return F32(operations._scale), quantize


class V2:
    name = "aqt-v2"

    @staticmethod
    def numerics(bits):
        return int_numerics.IntSymmetric(
            bits=bits, preserve_zero=True, preserve_max_val=False, clip=True, clip_gradient=False, round=True,
            noise_fn=None, dtype=None)

    @classmethod
    def scale(cls, x, axes, bits):
        calibrator = calibration.AbsMaxCalibration()
        calibrator.init_calibration()
        scale, _, _ = calibrator.get_scale_and_bias_and_sparsity(
            jnp.asarray(x), axes, cls.numerics(bits), utils.Context(key=None, train_step=None))
        return scale[0]

    @classmethod
    def quantize(cls, x, scale, bits):
        tensor = aqt_tensor.QTensor(qvalue=None, scale=[scale], scale_t=None, bias=[], dequant_dtype=jnp.float32)
        scaled = tensor.quant(jnp.asarray(x)).qvalue
        return np.asarray(cls.numerics(bits).vjp_fwd(scaled, utils.Context(key=None, train_step=None))[0]).astype(np.int32)

    @classmethod
    def weights(cls, w, bits):
        scale = cls.scale(w, tuple(range(w.ndim - 1)), bits)
        return cls.quantize(w, scale, bits).astype(np.int8), F32(1) / np.asarray(scale, F32).ravel()

    @classmethod
    def activations(cls, bound, bits, signed):
        scale = cls.scale(np.asarray([bound], F32), (0,), bits)
        return F32(1) / np.asarray(scale, F32).ravel()[0], lambda x: cls.quantize(x, scale.reshape((1,) * x.ndim), bits)


def sums(q, w, stride, pads):
    """int32 sums of NHWC by HWIO; JAX's convolution wants operands of one type."""
    return np.asarray(lax.conv_general_dilated(
        jnp.asarray(q, jnp.int32), jnp.asarray(w, jnp.int32), (stride, stride), pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"), preferred_element_type=jnp.int32))


def beside_steps(rng, scale, shape, bits):
    """Half of the values near the grid's steps and half-steps, the others random; extremes among them."""
    count = int(np.prod(shape))
    steps = rng.integers(-2 ** (bits + 1), 2 ** (bits + 1), count) / F32(2) / F32(scale)
    near = np.nextafter(steps.astype(F32), F32(np.inf) * rng.choice([-1, 1], count).astype(F32))
    random = (rng.standard_normal(count) * 2 ** (bits - 2) / scale).astype(F32)
    values = np.choose(rng.integers(0, 4, count), [steps.astype(F32), near, random, random])
    special = [0.0, -0.0, 1e-40, -1e-40, 1e30, -1e30]
    values[: len(special)] = special
    return values.reshape(shape).astype(F32)


NETWORK = """schema_version = 1
input = {{ height = {size}, width = {size}, channels = 4 }}
[[layer]]
name = "c1"
conv2d = {{ out_channels = {c}, kernel = [3, 3], padding = {{ top = 1, bottom = 1, left = 1, right = 1 }} }}
activation = "relu"
[[layer]]
name = "c2"
conv2d = {{ out_channels = {c}, kernel = [3, 3], padding = {{ top = 1, bottom = 1, left = 1, right = 1 }} }}
activation = "relu"
[[layer]]
name = "c3"
conv2d = {{ out_channels = {c}, kernel = [1, 3], padding = {{ left = 2 }} }}
shortcut = "c1"
[[layer]]
name = "c4"
conv2d = {{ out_channels = {c}, kernel = [3, 3], stride = [2, 2], padding = {{ bottom = 1, right = 1 }} }}
[[layer]]
name = "fc"
linear = {{ out_features = 10 }}
[precision]
default = "{precision}"
quantizer = "{quantizer}"
[parameters]
trace = "trace.safetensors"
"""


def case(folder, rng, aqt, weight_bits, activation_bits, size, channels):
    precision = f"w{weight_bits}a{activation_bits}"
    path = os.path.join(folder, f"{aqt.name}-{precision}")
    os.makedirs(path)
    trace, expected = {}, {}

    def layer(name, x, bound, signed, cout, kernel, stride, pads, stored=True):
        """f32 result of a layer on x: its operand is recorded as the tensor `stored`, unless it is stored otherwise."""
        scale, quantize = aqt.activations(bound, activation_bits, signed or aqt is V2)
        q = quantize(x)
        w = (rng.standard_normal((*kernel, x.shape[-1], cout)) / np.sqrt(np.prod(kernel) * x.shape[-1])).astype(F32)
        w_int, w_scale = aqt.weights(w, weight_bits)
        acc = sums(q, w_int, stride, pads)
        if stored:
            expected[stored] = q.astype(np.int8 if signed or aqt is V2 else np.uint8)
        # Scales and multipliers are data: whatever is in the trace is what everybody uses.
        multiplier = (1 / (scale.astype(np.float64) * w_scale.astype(np.float64))).astype(F32)
        bias = (rng.standard_normal(cout) * 0.1).astype(F32)
        trace.update({f"{name}.weight": w_int.transpose(3, 0, 1, 2), f"{name}.multiplier": multiplier, f"{name}.bias": bias,
                      f"{name}.input.scale": np.asarray([scale], F32)})
        expected[f"{name}.accumulator"] = acc
        return acc.astype(F32) * multiplier + bias

    bf16 = lambda x: x.astype(ml_dtypes.bfloat16).astype(F32)
    relu = lambda x: np.where(x > 0, x, F32(0))
    first_scale, _ = aqt.activations(3.0, activation_bits, True)
    image = beside_steps(rng, first_scale, (1, size, size, 4), activation_bits)
    ones = ((1, 1), (1, 1))
    c1 = bf16(relu(layer("c1", image, 3.0, True, channels, (3, 3), 1, ones, "image")))
    expected["c1"] = c1.astype(ml_dtypes.bfloat16)
    c2 = relu(layer("c2", c1, 2.5, False, channels, (3, 3), 1, ones, None))
    c3 = layer("c3", c2, 2.0, False, channels, (1, 3), 1, ((0, 0), (2, 0)), "c2") + c1
    c4 = layer("c4", c3, 3.3, True, channels, (3, 3), 2, ((0, 1), (0, 1)), "c3")
    expected["fc"] = layer("fc", c4, 2.7, True, 10, c4.shape[1:3], 1, ((0, 0), (0, 0)), "c4")
    save_file({name: np.ascontiguousarray(value) for name, value in trace.items()}, os.path.join(path, "trace.safetensors"))
    np.savez_compressed(os.path.join(path, "input.npz"), images=image)
    np.savez_compressed(os.path.join(path, "expected.npz"), **expected)
    with open(os.path.join(path, "network.toml"), "w") as file:
        file.write(NETWORK.format(size=size, c=channels, precision=precision, quantizer=aqt.name))
    with open(os.path.join(path, "case.toml"), "w") as file:
        other = {"aqt-legacy": "aqt-v2", "aqt-v2": "aqt-legacy"}[aqt.name]
        file.write(f'oracle = "{aqt.name}, JAX"\nrule = "equal"\nnetwork = "network.toml"\n')
        file.write(f'wrong = [{{ quantizer = "{other}" }}]\n')


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
    size, channels = (8, 8) if arguments.small else (48, 16)
    for aqt in (Legacy, V2):
        for bits in ((8, 8), (4, 4)) if arguments.small else ((8, 8), (4, 4), (4, 8), (2, 3)):
            case(arguments.folder, rng, aqt, *bits, size, channels)


if __name__ == "__main__":
    sys.exit(main())
