"""Writes the binary files of evaluate.in/networks: traces of both tiny networks and 16 labelled images.

Run in that folder; needs Python 3 and nothing else. The values are random (fixed seed): the fixture
exercises files, reports and messages, and its accuracy means nothing.
"""

import json
import random
import struct

random.seed(1)
CLASSES = 3
IMAGES = 16


def bf16(value):
    return struct.pack("<f", value)[2:]  # truncated: any bf16 value will do


def tensors_file(path, tensors, metadata):
    header, body = {"__metadata__": metadata}, b""
    for name, (dtype, shape, data) in sorted(tensors.items()):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def f32s(values):
    return struct.pack(f"<{len(values)}f", *values)


def trace(path, bits):
    """`bits`: weight bits of each layer, or None for bf16."""
    shapes = {"stem": [4, 3, 3, 1], "body": [4, 3, 3, 4], "fc": [CLASSES, 1, 1, 4]}
    tensors = {}
    for (layer, shape), width in zip(shapes.items(), bits):
        count = shape[0] * shape[1] * shape[2] * shape[3]
        if width is None:
            data = b"".join(bf16(random.gauss(0, 0.5)) for _ in range(count))
            tensors[f"{layer}.weight"] = ("BF16", shape, data)
            multiplier = 1.0
        else:
            limit = 2 ** (width - 1)
            data = struct.pack(f"<{count}b", *(random.randrange(-limit, limit) for _ in range(count)))
            tensors[f"{layer}.weight"] = ("I8", shape, data)
            scale = {"stem": 32.0, "body": 4.0, "fc": 64.0}[layer]
            tensors[f"{layer}.input.scale"] = ("F32", [1], f32s([scale]))
            multiplier = 1.0 / (scale * limit)
        tensors[f"{layer}.multiplier"] = ("F32", [shape[0]], f32s([multiplier] * shape[0]))
        tensors[f"{layer}.bias"] = ("F32", [shape[0]], f32s([random.gauss(0, 0.1) for _ in range(shape[0])]))
    tensors_file(path, tensors, {"source": "random values"})


trace("tiny-4-bit.safetensors", [8, 4, 8])
trace("tiny-bf16.safetensors", [None, None, None])
tensors_file(
    "images.safetensors",
    {
        "images": ("U8", [IMAGES, 6, 6, 1], random.randbytes(IMAGES * 36)),
        "labels": ("U8", [IMAGES], bytes(random.randrange(CLASSES) for _ in range(IMAGES))),
    },
    {"name": "tiny images", "source": "random values", "licence": "CC0"},
)
