"""Cases whose values are ml_dtypes' bfloat16 and numpy's f32: a bf16 network of ours on an array of 32 rows, summed in the
array's order. Folders {case.toml, network.toml, trace.safetensors, input.npz, expected.npz}.

  partial sums in f32   products are exact in f32 or rounded once; numpy rounds every sum to nearest even
  partial sums in bf16  weights are powers of two from 1, so that products are bfloat16; ml_dtypes rounds every sum. It adds in f32
                        and rounds again, which is one rounding: f32 has more than twice bfloat16's bits

Both round to nearest even and keep subnormals; they have no other mode. What is stored is rounded by ml_dtypes.

usage: make.py FOLDER --seed N (--small | --live)
"""
import argparse
import os
import sys

import ml_dtypes
import numpy as np
from safetensors.numpy import save_file

BF16, F32 = ml_dtypes.bfloat16, np.float32
ROWS, K = 32, 40

NETWORK = """schema_version = 1
input = {{ height = {size}, width = {size}, channels = {k} }}
[[layer]]
name = "sums"
conv2d = {{ out_channels = {n}, kernel = [1, 1] }}
[[layer]]
name = "last"
conv2d = {{ out_channels = 1, kernel = [1, 1] }}
[precision]
default = "bf16"
[parameters]
trace = "trace.safetensors"
"""


def canonical(x):
    """f32 with one NaN."""
    return np.where(np.isnan(x), np.uint32(0x7FC00000).view(F32), x)


def sums(x, w, partial):
    """Accumulators of x [pixels, k] by w [n, k]: rows in order from +0, one sum per fold, added to the accumulator."""
    accumulator = None
    for start in range(0, x.shape[1], ROWS):
        total = np.zeros((len(x), len(w)), BF16 if partial == "bf16" else F32)
        for k in range(start, min(start + ROWS, x.shape[1])):
            product = x[:, k : k + 1].astype(F32) * w[:, k].astype(F32)
            total = total + (product.astype(BF16) if partial == "bf16" else product)
        fold = total.astype(F32)
        accumulator = fold if accumulator is None else accumulator + fold
    return canonical(accumulator)


def operands(rng, pixels, channels, powers):
    """Random; near cancellation; sums of equal exponents; subnormal results; results near overflow."""
    x = rng.standard_normal((pixels, K)).astype(F32)
    w = rng.standard_normal((channels, K)).astype(F32)
    if powers:
        w = np.exp2(rng.integers(0, 3, w.shape)).astype(F32) * rng.choice([-1, 1], w.shape).astype(F32)
    w[channels // 2 :, 1::2] = -w[channels // 2 :, ::2]
    kind = np.arange(pixels) % 6
    x[kind == 1, 1::2] = x[kind == 1, ::2] * F32(1 + 2.0**-7)
    x[kind == 2] = 1 + rng.integers(0, 128, (np.sum(kind == 2), K)) / F32(128)
    x[kind == 3] *= F32(2.0**-125)
    x[kind == 4] *= F32(2.0**124)
    x[kind == 5] *= np.exp2(rng.integers(-14, 15, (np.sum(kind == 5), K))).astype(F32)
    return x, w.astype(BF16)


def case(folder, name, rng, partial, size, channels, wrong):
    path = os.path.join(folder, name)
    os.makedirs(path)
    x, w = operands(rng, size * size, channels, partial == "bf16")
    with np.errstate(all="ignore"):
        image = x.astype(BF16)
        acc = sums(image, w, partial)
        stored = canonical(acc * F32(1) + F32(0)).astype(BF16)
        last_w = np.ones((1, channels), BF16)
        last_acc = sums(stored, last_w, partial)
    shape = lambda values: values.reshape(1, size, size, -1)
    expected = {"image": image, "sums.accumulator": acc, "sums": stored, "last.accumulator": last_acc}
    trace = {"sums.weight": w.reshape(channels, 1, 1, K), "last.weight": last_w.reshape(1, 1, 1, channels)}
    for layer, count in (("sums", channels), ("last", 1)):
        trace |= {f"{layer}.multiplier": np.ones(count, F32), f"{layer}.bias": np.zeros(count, F32)}
    save_file({name: np.ascontiguousarray(value) for name, value in trace.items()}, os.path.join(path, "trace.safetensors"))
    np.savez_compressed(os.path.join(path, "input.npz"), images=shape(x))
    np.savez_compressed(os.path.join(path, "expected.npz"), **{key: shape(value) for key, value in expected.items()})
    with open(os.path.join(path, "network.toml"), "w") as file:
        file.write(NETWORK.format(size=size, k=K, n=channels))
    other = {"f32": "bf16", "bf16": "f32"}[partial]
    modes = [f'partial_sum = "{partial}", {key} = "{value}"' for key, value in
             (("rounding", "rtz"), ("rounding", "rto"), ("subnormals", "flush"))] + [f'partial_sum = "{other}"']
    with open(os.path.join(path, "case.toml"), "w") as file:
        file.write(f'oracle = "ml_dtypes, partial sums in {partial}"\nrule = "equal"\nnetwork = "network.toml"\n')
        if wrong:
            file.write(f"wrong = [{', '.join(f'{{ bf16 = {{ {mode} }} }}' for mode in modes)}]\n")
        file.write(f'[bf16]\npartial_sum = "{partial}"\n')


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
    for partial in ("f32", "bf16"):
        if arguments.small:
            case(arguments.folder, f"bf16-sums-{partial}", rng, partial, 8, 6, True)
        else:
            case(arguments.folder, f"bf16-sums-{partial}-wrong", rng, partial, 64, 8, True)
            case(arguments.folder, f"bf16-sums-{partial}", rng, partial, 256, 16, False)


if __name__ == "__main__":
    sys.exit(main())
