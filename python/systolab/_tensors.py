"""numpy arrays as the content of a safetensors file, and back."""

from __future__ import annotations

import ml_dtypes
import numpy
import safetensors
from safetensors.numpy import save

from ._native import SystolabError

# Names in the file and numpy's types.
_TYPES = {
    "I8": numpy.dtype(numpy.int8),
    "U8": numpy.dtype(numpy.uint8),
    "U16": numpy.dtype(numpy.uint16),
    "I32": numpy.dtype(numpy.int32),
    "BF16": numpy.dtype(ml_dtypes.bfloat16),
    "F32": numpy.dtype(numpy.float32),
}
# Integers of fewer bits travel in bytes.
_CARRIERS = {
    numpy.dtype(getattr(ml_dtypes, name)): numpy.dtype(carrier)
    for name, carrier in [("int4", "int8"), ("uint4", "uint8"), ("int2", "int8"), ("uint2", "uint8")]
}


def content(tensors):
    """The content of a safetensors file of these arrays."""
    return save({name: _carried(name, array) for name, array in tensors.items()})


def _carried(name, array):
    array = numpy.ascontiguousarray(array)
    array = array.astype(_CARRIERS.get(array.dtype, array.dtype), copy=False)
    if array.dtype not in _TYPES.values():
        expected = ", ".join(dtype.name for dtype in _TYPES.values())
        raise SystolabError(f"`{name}` has type {array.dtype}; expected one of {expected}")
    return array


def arrays(file):
    """The arrays of a safetensors file by name."""
    return {
        name: numpy.frombuffer(view["data"], _TYPES[view["dtype"]]).reshape(view["shape"])
        for name, view in safetensors.deserialize(file)
    }
