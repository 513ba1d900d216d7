#!/usr/bin/env python3
"""ResNet-50 v1.5, 224×224, batch 1, one thread: ONNX Runtime and systolab side by side.

    python speed.py [--rounds 15]      from the repository; needs cargo and requirements.txt

Every round times each contender once, one after the other; printed are medians of the rounds, and of their ratios with
quartiles. Times of one thread are CPU seconds, so that other processes disturb little; those of eight images are wall
seconds, and beside them CPU seconds of the busiest thread, which is what free cores would take but for sharing memory.
ONNX Runtime: all optimizations, one thread, random weights of He scale. systolab (integers: AVX2; bf16: AVX-512 where it
is): networks of `workloads/` with seeded synthetic weights, where no sum can overflow 32 bits; `imported` is the very model
that ONNX Runtime runs.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort

import make

BUSIEST = ", CPU seconds of the busiest"
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")


class Ours:
    """The bench executable: a line in, seconds out."""

    def __init__(self, networks, executable):
        names = [f"{name}={path}" for name, path in networks.items()]
        command = [executable] if executable else ["cargo", "bench", "--quiet", "--bench", "side_by_side", "--"]
        self.process = subprocess.Popen([*command, *names], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, request):
        """Wall seconds, and CPU seconds of the busiest thread."""
        print(request, file=self.process.stdin, flush=True)
        wall, cpu = (float(word) for word in self.process.stdout.readline().split())
        return wall, cpu or wall


def session(model):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def theirs(run, image):
    start = time.thread_time()
    run.run(None, {"image": image})
    return time.thread_time() - start


def processor():
    """Its name and the vector instructions that decide: ONNX Runtime uses all of them, systolab avx2 and avx512f."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines())
    except OSError:
        return platform.machine()
    about = {key.strip(): value.strip() for key, value in lines.items()}
    flags = about.get("flags", "").split()
    vectors = [flag for flag in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16") if flag in flags]
    return f"{about.get('model name', platform.machine())} ({', '.join(vectors)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--executable", help="of the bench side_by_side, instead of building it")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name + ".onnx")
        model = make.resnet(rng, 50)
        onnx.save(model, path("fp32"))
        image = rng.standard_normal((1, 3, 224, 224)).astype(np.float32)
        onnx.save(make.quantized(folder, model, [image], "qdq", "s8", False), path("s8s8"))
        onnx.save(make.quantized(folder, model, [image], "qoperator", "u8", False), path("u8u8"))
        sessions = {name: session(path(name)) for name in ("fp32", "s8s8", "u8u8")}
        ours = Ours({**{name: f"workloads/resnet50-{name}.toml" for name in ("w8a8", "w4a4", "bf16")}, "imported": path("s8s8")}, arguments.executable)
        requests = {
            "w8a8": "w8a8 1 1", "w4a4": "w4a4 1 1", "bf16": "bf16 1 1", "imported": "imported 1 1",
            "w8a8 products": "w8a8 products", "w4a4 products": "w4a4 products",
            "w8a8 × 8, one thread": "w8a8 8 1", "w8a8 × 8, two threads": "w8a8 8 2"}
        rounds = []
        for index in range(arguments.rounds + 1):
            times = {name: theirs(run, image) for name, run in sessions.items()}
            for name, request in requests.items():
                wall, cpu = ours.seconds(request)
                if " 8 " in request:
                    times |= {name: wall, name + BUSIEST: cpu}
                else:
                    times[name] = cpu
            if index > 0:  # the first warms up
                rounds.append(times)
    print(f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, onnxruntime {ort.__version__}, {len(rounds)} rounds\n")
    print("| | median (ms) |\n| --- | ---: |")
    labels = {"fp32": "ONNX Runtime, fp32", "s8s8": "ONNX Runtime, S8S8 QDQ fused", "u8u8": "ONNX Runtime, U8U8 QOperator"}
    for name in rounds[0]:
        print(f"| {labels.get(name, 'systolab, ' + name)} | {1e3 * statistics.median(times[name] for times in rounds):.1f} |")
    print("\n| ratio | median (quartiles) | limit | |\n| --- | ---: | ---: | --- |")
    for text, over, under, limit in [
        ("w8a8 / ONNX Runtime S8S8 QDQ fused", "w8a8", "s8s8", 1.0),
        ("the same model imported / ONNX Runtime S8S8 QDQ fused", "imported", "s8s8", None),
        ("w8a8 / ONNX Runtime U8U8 QOperator", "w8a8", "u8u8", None),
        ("w4a4 products / w8a8 products", "w4a4 products", "w8a8 products", 0.65),
        ("w4a4 / w8a8", "w4a4", "w8a8", 0.8),
        ("bf16 in strict order / ONNX Runtime fp32", "bf16", "fp32", 1.2),
        ("one thread / two threads, batch of 8", "w8a8 × 8, one thread", "w8a8 × 8, two threads", -1.8),
        ("the same in CPU seconds of the busiest thread", "w8a8 × 8, one thread" + BUSIEST, "w8a8 × 8, two threads" + BUSIEST, None),
    ]:
        ratios = [times[over] / times[under] for times in rounds]
        low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        if limit is None:
            met, bound = "reported", ""
        elif limit < 0:
            met, bound = ("met" if median >= -limit else "missed"), f"≥ {-limit}"
        else:
            met, bound = ("met" if median <= limit else "missed"), f"≤ {limit}"
        print(f"| {text} | {median:.2f} ({low:.2f}–{high:.2f}) | {bound} | {met} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
