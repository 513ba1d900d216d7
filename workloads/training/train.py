"""Trains the networks of plan.csv, one run at a time.

    train.py --next             the first run of the plan that is missing; "nothing left" when done
    train.py --hold-out         the comparison that fixed recipe.toml (last 5,000 training images)
    train.py --smoke            one epoch on 6,000 images; fails unless the loss falls
    train.py --networks         writes the network files of the finished runs again

A run can be interrupted anywhere: it continues from its last finished epoch. Several processes
may run side by side; each takes another run. A run is finished when its log exists, which is
written last. One thread each: results then do not depend on the machine's load.
"""

import argparse
import csv
import dataclasses
import fcntl
import hashlib
import io
import json
import os
import pathlib
import platform
import time
import tomllib

import numpy
import safetensors
import torch
from safetensors.torch import save

import fashion_mnist
from export import trace_tensors
from model import POLICIES, ResNet

HERE = pathlib.Path(__file__).resolve().parent
WORKLOADS = HERE.parent
RUNS, CHECKPOINTS = HERE / "runs", HERE / "checkpoints"
RECIPE = tomllib.loads((HERE / "recipe.toml").read_text())
COEFFICIENTS = {int(bits): value for bits, value in RECIPE["bound_coefficient"].items()}
CLASSES, STEM_STRIDE = 10, 2
DEFAULT_PRECISIONS = ("bf16", "w8a8", "mostly-4-bit")


@dataclasses.dataclass(frozen=True)
class Run:
    depth: int
    width: int
    precision: str
    seed: int

    @property
    def name(self) -> str:
        suffix = f"-seed{self.seed}" if self.seed else ""
        return f"resnet{self.depth}-width{self.width}-{self.precision}{suffix}"

    @property
    def folder(self) -> pathlib.Path:
        """Seed 0, fixed in advance, is the default trace; other seeds and variants belong to the study."""
        return WORKLOADS if self.seed == 0 and self.precision in DEFAULT_PRECISIONS else WORKLOADS / "study"

    @property
    def log(self) -> pathlib.Path:
        return RUNS / f"{self.name}.json"


def write_atomically(path: pathlib.Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_bytes(content)
    temporary.replace(path)


def normalize(images: numpy.ndarray) -> torch.Tensor:
    """u8 [n, 28, 28] -> f32 [n, 1, 28, 28] by IEEE float32 subtraction and division."""
    values = (images.astype(numpy.float32) - numpy.float32(RECIPE["mean"])) / numpy.float32(RECIPE["std"])
    return torch.from_numpy(values[:, None])


def arrange(images: torch.Tensor, width: int) -> torch.Tensor:
    # PyTorch 2.15 corrupts the heap on channels_last, one input channel, stride 2, width 4 or 6.
    return images.contiguous(memory_format=torch.channels_last if width % 8 == 0 else torch.contiguous_format)


@torch.no_grad()
def predict(model: ResNet, images: torch.Tensor, width: int) -> torch.Tensor:
    model.eval()
    return torch.cat([model(arrange(part, width)).argmax(dim=1) for part in images.split(1000)])


def percent(predictions: torch.Tensor, labels: torch.Tensor) -> float:
    return round(100.0 * (predictions == labels).double().mean().item(), 4)


class Training:
    """One run's state: everything that a checkpoint must restore to continue bit for bit."""

    def __init__(self, run: Run, epochs: int, images: torch.Tensor, labels: torch.Tensor, coefficients: dict[int, float]):
        torch.manual_seed(run.seed)
        self.run, self.epochs, self.images, self.labels = run, epochs, images, labels
        self.model = ResNet(run.depth, run.width, 1, CLASSES, STEM_STRIDE, POLICIES[run.precision], coefficients)
        if run.width % 8 == 0:
            self.model = self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=RECIPE["peak_learning_rate"], momentum=0.9, nesterov=True, weight_decay=RECIPE["weight_decay"]
        )
        self.steps = len(images) // RECIPE["batch"]
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=RECIPE["peak_learning_rate"], total_steps=epochs * self.steps, pct_start=0.2
        )
        self.history: list[dict] = []
        self.cpu_seconds = 0.0

    def epoch(self) -> None:
        started = time.process_time()
        self.model.train()
        order = torch.randperm(len(self.images))
        losses, correct = 0.0, 0
        for step in range(self.steps):
            chosen = order[step * RECIPE["batch"] : (step + 1) * RECIPE["batch"]]
            images, labels = self.images[chosen], self.labels[chosen]
            flipped = torch.rand(len(chosen)) < 0.5
            images[flipped] = images[flipped].flip(3)
            logits = self.model(arrange(images, self.run.width))
            loss = torch.nn.functional.cross_entropy(logits, labels)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.schedule.step()
            losses += loss.item()
            correct += (logits.argmax(dim=1) == labels).sum().item()
        self.cpu_seconds += time.process_time() - started
        self.history.append(
            {
                "epoch": len(self.history) + 1,
                "train_loss": round(losses / self.steps, 5),
                "train_top1_percent_augmented": round(100.0 * correct / (self.steps * RECIPE["batch"]), 3),
            }
        )
        print(f"{self.run.name}: {self.history[-1]}, {self.cpu_seconds:.0f} CPU s", flush=True)

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": torch.get_rng_state(),
            "history": self.history,
            "cpu_seconds": self.cpu_seconds,
        }

    def restore(self, state: dict) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["random"])
        self.history, self.cpu_seconds = state["history"], state["cpu_seconds"]

    def finish(self, checkpoint: pathlib.Path | None) -> None:
        if checkpoint and checkpoint.exists():
            self.restore(torch.load(checkpoint))
        while len(self.history) < self.epochs:
            self.epoch()
            if checkpoint:
                buffer = io.BytesIO()
                torch.save(self.state(), buffer)
                write_atomically(checkpoint, buffer.getvalue())


def network_toml(run: Run, train_top1_percent: float) -> str:
    policy = {
        "bf16": 'default = "bf16"',
        "w8a8": 'default = "w8a8"',
        "mostly-4-bit": 'default = "w4a4"\nfirst = "w8a8"\nlast = "w8a8"',
        "w4a4": 'default = "w4a4"',
        "w4a8-8-bit-ends": 'default = "w4a8"\nfirst = "w8a8"\nlast = "w8a8"',
        "w2a2-8-bit-ends": 'default = "w2a2"\nfirst = "w8a8"\nlast = "w8a8"\ncarrier = "int4"',
    }[run.precision.removesuffix("-int8-residual").removesuffix("-aqt-v2").removesuffix("-percentile")]
    quantizer = POLICIES[run.precision].quantization.get("kind", "aqt-legacy")
    residual_bits = POLICIES[run.precision].residual_bits
    residual_format = f"int{residual_bits}" if residual_bits else "bf16"
    to_workloads = os.path.relpath(WORKLOADS, run.folder)
    evaluation_set = os.path.normpath(os.path.join(to_workloads, "fashion-mnist-test.safetensors"))
    predictions = os.path.normpath(os.path.join(to_workloads, f"training/runs/{run.name}.predictions"))
    return f"""\
# ResNet-{run.depth}, width {run.width}, {run.precision}: trained on Fashion-MNIST, seed {run.seed} (training/README.md).
schema_version = 1
name = "{run.name}"
family = "resnet{run.depth}-fashion-mnist"

[generator.resnet]
depth = {run.depth}
variant = "cifar"
width = {run.width}
stem_stride = {STEM_STRIDE}
input = {{ height = 28, width = 28, channels = 1 }}
classes = {CLASSES}
padding = "torch"

[precision]
{policy}
quantizer = "{quantizer}"
residual_format = "{residual_format}"

[parameters]
trace = "{run.name}.safetensors"

[evaluation]
set = "{evaluation_set}"
mean = [{RECIPE["mean"]}]
std = [{RECIPE["std"]}]
predictions = "{predictions}"

[training]
seed = {run.seed}
train_top1_percent = {train_top1_percent} # by the framework, on the first 10,000 training images
"""


def complete(run: Run, training: Training) -> None:
    """Evaluates once on the test images and writes trace, network, predictions and, last, the log."""
    test_images, test_labels = fashion_mnist.load("t10k")
    test_labels = torch.from_numpy(test_labels.astype(numpy.int64))
    started = time.process_time()
    predictions = predict(training.model, normalize(test_images), run.width)
    fixed_train = predict(training.model, training.images[:10000], run.width)
    evaluation_seconds = time.process_time() - started
    trace = save(trace_tensors(training.model))
    write_atomically(run.folder / f"{run.name}.safetensors", trace)
    write_atomically(run.folder / f"{run.name}.toml", network_toml(run, percent(fixed_train, training.labels[:10000])).encode())
    predicted = predictions.to(torch.uint8).numpy().tobytes()
    write_atomically(RUNS / f"{run.name}.predictions", predicted)
    log = {
        **dataclasses.asdict(run),
        "name": run.name,
        "framework": f"PyTorch {torch.__version__}, NumPy {numpy.__version__}, safetensors {safetensors.__version__}, "
        f"Python {platform.python_version()}",
        "recipe": RECIPE,
        "history": training.history,
        "test_top1_percent": percent(predictions, test_labels),
        "test_images": len(test_labels),
        "train_top1_percent_first_10000": percent(fixed_train, training.labels[:10000]),
        "training_cpu_seconds": round(training.cpu_seconds, 1),
        "evaluation_cpu_seconds": round(evaluation_seconds, 1),
        "trace_sha256": hashlib.sha256(trace).hexdigest(),
        "predictions_sha256": hashlib.sha256(predicted).hexdigest(),
    }
    write_atomically(run.log, (json.dumps(log, indent=1) + "\n").encode())
    print(f"{run.name}: test top-1 {log['test_top1_percent']} %", flush=True)


def training_set() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = fashion_mnist.load("train")
    return normalize(images), torch.from_numpy(labels.astype(numpy.int64))


def plan() -> list[Run]:
    with open(HERE / "plan.csv", newline="") as rows:
        return [Run(int(row["depth"]), int(row["width"]), row["precision"], int(row["seed"])) for row in csv.DictReader(rows)]


def next_run() -> bool:
    CHECKPOINTS.mkdir(exist_ok=True)
    for run in plan():
        if run.log.exists():
            continue
        with open(CHECKPOINTS / f"{run.name}.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released when the process ends, however it ends
            except BlockingIOError:
                continue
            if run.log.exists():
                continue
            checkpoint = CHECKPOINTS / f"{run.name}.pt"
            training = Training(run, RECIPE["epochs"], *training_set(), COEFFICIENTS)
            training.finish(checkpoint)
            complete(run, training)
            checkpoint.unlink(missing_ok=True)
            return True
    return False


HOLD_OUT_RUNS = [  # width 8, 2 epochs, seed 0: precision and the coefficient that varies
    ("mostly-4-bit", {4: 2.5, 8: 8.0}),
    ("mostly-4-bit", {4: 3.5, 8: 8.0}),
    ("mostly-4-bit", {4: 4.5, 8: 8.0}),
    ("w8a8", {8: 5.0}),
    ("w8a8", {8: 8.0}),
]


def hold_out() -> None:
    images, labels = training_set()
    rows = []
    for precision, coefficients in HOLD_OUT_RUNS:
        training = Training(Run(8, 8, precision, 0), 2, images[:-5000], labels[:-5000], coefficients)
        training.finish(None)
        top1 = percent(predict(training.model, images[-5000:], 8), labels[-5000:])
        rows.append([precision, coefficients.get(4, ""), coefficients[8], 2, top1])
        print(rows[-1], flush=True)
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([["precision", "coefficient_4_bit", "coefficient_8_bit", "epochs", "holdout_top1_percent"], *rows])
    write_atomically(HERE / "holdout.csv", table.getvalue().encode())


def smoke() -> None:
    images, labels = training_set()
    training = Training(Run(8, 8, "mostly-4-bit", 0), 1, images[:6000], labels[:6000], COEFFICIENTS)
    training.finish(None)
    first = -numpy.log(1 / CLASSES)
    if training.history[0]["train_loss"] >= first:
        raise SystemExit(f"the loss did not fall below {first:.3f}, that of guessing")


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--next", action="store_true")
    action.add_argument("--hold-out", action="store_true")
    action.add_argument("--smoke", action="store_true")
    action.add_argument("--networks", action="store_true")
    arguments = parser.parse_args()
    if arguments.hold_out:
        hold_out()
    elif arguments.smoke:
        smoke()
    elif arguments.networks:
        for run in plan():
            if run.log.exists():
                train_top1 = json.loads(run.log.read_text())["train_top1_percent_first_10000"]
                write_atomically(run.folder / f"{run.name}.toml", network_toml(run, train_top1).encode())
    elif not next_run():
        print("nothing left")


if __name__ == "__main__":
    main()
