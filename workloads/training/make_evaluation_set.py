"""Writes ../fashion-mnist-test.safetensors: the 10,000 test images every trained network shares."""

import pathlib

from safetensors.numpy import save_file

import fashion_mnist

images, labels = fashion_mnist.load("t10k")
save_file(
    {"images": images.reshape(-1, 28, 28, 1).copy(), "labels": labels.copy()},
    pathlib.Path(__file__).parent.parent / "fashion-mnist-test.safetensors",
    metadata={
        "name": "Fashion-MNIST test set",
        "source": "Zalando SE; Debian package dataset-fashion-mnist 0.0~git20200523.55506a9-1",
        "licence": "MIT, (c) 2017 Zalando SE; see fashion-mnist-LICENSE",
    },
)
