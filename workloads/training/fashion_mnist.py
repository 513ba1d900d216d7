"""Fashion-MNIST (Zalando SE, MIT) from Debian's package dataset-fashion-mnist, checked by SHA-256."""

import gzip
import hashlib
import os
import pathlib

import numpy

FOLDER = pathlib.Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
SHA256 = {  # of the raw IDX files
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def _read(name: str, header: int) -> numpy.ndarray:
    raw = gzip.decompress((FOLDER / f"{name}.gz").read_bytes())
    if hashlib.sha256(raw).hexdigest() != SHA256[name]:
        raise SystemExit(f"{name}: unexpected content (SHA-256 differs)")
    return numpy.frombuffer(raw, dtype=numpy.uint8, offset=header)


def load(part: str) -> tuple[numpy.ndarray, numpy.ndarray]:
    """`train` or `t10k`: images u8 [n, 28, 28], labels u8 [n]."""
    images = _read(f"{part}-images-idx3-ubyte", 16).reshape(-1, 28, 28)
    return images, _read(f"{part}-labels-idx1-ubyte", 8)
