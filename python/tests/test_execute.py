"""Are arrays in and out bit for bit what files are?"""

import ml_dtypes
import numpy
import pytest
import safetensors

import systolab

NETWORK = "resnet8-width4-bf16"


@pytest.fixture
def images(root):
    entries = dict(safetensors.deserialize((root / "workloads/fashion-mnist-test.safetensors").read_bytes()))
    pixels = entries["images"]
    labels = numpy.frombuffer(entries["labels"]["data"], numpy.uint8)
    return numpy.frombuffer(pixels["data"], numpy.uint8).reshape(pixels["shape"]), labels


def test_values_are_those_of_the_command_line(command, folder):
    run = systolab.execute("edge-32x32", NETWORK, samples=range(0, 8), accumulators=True)
    arguments = ["--hw", "edge-32x32", "--workload", NETWORK, "--samples", "0..8"]
    printed = command("execute", *arguments, "--out", "values.safetensors", "--accumulators")
    assert printed.returncode == 0, printed.stderr
    file = dict(safetensors.deserialize((folder / "values.safetensors").read_bytes()))
    assert set(file) == set(run["tensors"])
    for name, array in run["tensors"].items():
        assert array.tobytes() == bytes(file[name]["data"]), name
        assert list(array.shape) == file[name]["shape"], name
    assert run["tensors"]["image"].dtype == ml_dtypes.bfloat16
    assert run["tensors"]["image"].flags.writeable
    assert run["images"]["count"] == 8


def test_arrays_in(images):
    pixels, labels = images
    from_set = systolab.execute("edge-32x32", NETWORK, samples=range(100, 110))
    from_array = systolab.execute("edge-32x32", NETWORK, pixels[100:110], labels=labels[100:110])
    assert from_array["predictions"] == from_set["predictions"]
    assert from_array["top1"] == from_set["top1"]
    for name, array in from_set["tensors"].items():
        numpy.testing.assert_array_equal(array.view(numpy.uint8), from_array["tensors"][name].view(numpy.uint8))
    strided = systolab.execute("edge-32x32", NETWORK, pixels[100:120:2], outputs=False)
    assert strided["predictions"] == from_array["predictions"][::2] + strided["predictions"][5:]
    assert strided["tensors"] == {}


def test_validate(folder):
    samples = range(0, 4)
    tensors = systolab.execute("edge-32x32", NETWORK, samples=samples)["tensors"]
    equal = systolab.validate("edge-32x32", NETWORK, tensors, samples=samples)
    assert equal["accepted"] and equal["first_difference"] is None
    layer = systolab.load_workload(NETWORK).layers[1]
    changed = {**tensors, layer: tensors[layer].copy()}
    index = (2, 3, 1, 0)
    bits = changed[layer].view(numpy.uint16)
    bits[index] ^= 1
    differs = systolab.validate("edge-32x32", NETWORK, changed, samples=samples)
    assert not differs["accepted"]
    first = differs["first_difference"]
    assert (first["tensor"], tuple(first["index"])) == (layer, index)
    assert first["ours"]["bits"] ^ first["expected"]["bits"] == 1
    assert systolab.validate("edge-32x32", NETWORK, changed, samples=samples, max_ulp=1)["accepted"]


def test_narrow_integers_travel_in_bytes():
    samples = range(0, 2)
    tensors = systolab.execute("edge-32x32", "resnet8-width4-mostly-4-bit", samples=samples)["tensors"]
    narrow = {name: a.astype(ml_dtypes.uint4) for name, a in tensors.items() if a.dtype == numpy.uint8 and a.max() < 16}
    assert narrow
    assert systolab.validate("edge-32x32", "resnet8-width4-mostly-4-bit", narrow, samples=samples)["accepted"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"images": numpy.zeros((1, 28, 28, 1))}, "`images` has type float64; expected one of int8, uint8"),
        ({"images": numpy.zeros((1, 27, 28, 1), numpy.uint8)}, r"`images` has shape \[1, 27, 28, 1\]"),
        ({"images": "nowhere.npz"}, "nowhere.npz: cannot read"),
        ({"samples": range(0, 20000)}, "the evaluation set has 10000 images"),
        ({"samples": range(0, 9, 2)}, "expected a range of step 1"),
        ({"labels": [1]}, "labels: expected beside an array of `images`"),
        ({"images": numpy.zeros((1, 28, 28, 1), numpy.uint8), "samples": range(1)}, "either `images` or `samples`"),
    ],
)
def test_bad_arguments(arguments, text):
    with pytest.raises(systolab.SystolabError, match=text):
        systolab.execute("edge-32x32", NETWORK, **arguments)


def test_broken_content(folder):
    (folder / "broken.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(systolab.SystolabError, match="broken.safetensors"):
        systolab.validate("edge-32x32", NETWORK, "broken.safetensors", samples=range(1))
