"""Counts the quantized activations in which PyTorch and systolab differ, tensor by tensor.

    compare_activations.py --width 4 --precision mostly-4-bit --seed 0 --systolab PATH [--images 500]

Trains the run again, which takes as long as it took, and fails unless its trace is the committed one, bit for bit. Then
both run the same test images; every tensor that is stored on an integer grid is compared: PyTorch's integers are those of
its fake quantization, systolab's are what `execute --out` writes.
"""

import argparse
import hashlib
import json
import subprocess
import tempfile

import torch
from safetensors.torch import load_file, save

import fashion_mnist
from export import trace_tensors
from train import COEFFICIENTS, RECIPE, Run, Training, arrange, normalize, training_set


def grids(model) -> dict[str, object]:
    """Quantizers by the name of the tensor that is stored on their grid alone."""
    found, before = {"image": model.stem_input}, "stem"
    per_stage = len(model.blocks) // 3
    for index, block in enumerate(model.blocks):
        name = f"stage{index // per_stage + 1}.block{index % per_stage + 1}"
        if block.projection:
            found[before] = block.input
        found[f"{name}.conv1"] = block.conv2_input
        before = f"{name}.conv2"
    found["pool"] = model.fc_input
    for edge, stored in model.named_residuals():
        if stored.quantizer:
            found[edge] = stored
    return {edge: operand for edge, operand in found.items() if operand.quantizer}


@torch.no_grad()
def framework_integers(model, images: torch.Tensor, width: int) -> dict[str, torch.Tensor]:
    """[n, height, width, channels] integers by tensor."""
    seen = {}
    for edge, operand in grids(model).items():
        def keep(module, _, output, edge=edge):
            integers = torch.round(output * module.quantizer.scale()).to(torch.int32)
            integers = integers[:, :, None, None] if integers.dim() == 2 else integers
            seen.setdefault(edge, []).append(integers.permute(0, 2, 3, 1).contiguous())
        operand.register_forward_hook(keep)
    model.eval()
    for part in images.split(500):
        model(arrange(part, width))
    return {edge: torch.cat(parts) for edge, parts in seen.items()}


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--systolab", required=True, metavar="PATH")
    arguments = parser.parse_args()
    run = Run(8, arguments.width, arguments.precision, arguments.seed)
    training = Training(run, RECIPE["epochs"], *training_set(), COEFFICIENTS)
    training.finish(None)
    trace = save(trace_tensors(training.model))
    if hashlib.sha256(trace).hexdigest() != json.loads(run.log.read_text())["trace_sha256"]:
        raise SystemExit(f"{run.name}: training again gives another trace")
    images, _ = fashion_mnist.load("t10k")
    theirs = framework_integers(training.model, normalize(images[: arguments.images]), run.width)
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/values.safetensors"
        network = run.folder / f"{run.name}.toml"
        command = [arguments.systolab, "execute", "--hw", "edge-32x32", "--workload", network, "--samples", f"0..{arguments.images}"]
        subprocess.run([*command, "--out", out], check=True, stdout=subprocess.DEVNULL)
        ours = load_file(out)
    differing = compared = 0
    for edge, integers in theirs.items():
        difference = (ours[edge].to(torch.int32).reshape(integers.shape) - integers).abs()
        count = int((difference != 0).sum())
        print(f"{run.name}, {edge}: {count} of {integers.numel()} differ, by at most {int(difference.max())}")
        differing, compared = differing + count, compared + integers.numel()
    print(f"{run.name}: {differing} of {compared} quantized activations differ ({1e6 * differing / compared:.2f} per million)")


if __name__ == "__main__":
    main()
