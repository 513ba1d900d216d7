"""The CIFAR-style 6n+2 ResNet as it is executed: rounded wherever a tensor is stored.

A tensor that all its readers take on one grid is stored on that grid. A tensor also read by a
residual add or a pool is stored in bfloat16 and quantized when read. Inside a fused layer
(convolution, batch norm, add, ReLU) nothing is rounded.
"""

import dataclasses

import torch
from torch import nn

from quantizers import ActivationQuantizer, fake_quantize_weight, round_bfloat16


@dataclasses.dataclass(frozen=True)
class Bits:
    """Operand bits of one layer."""

    weight: int
    activation: int


@dataclasses.dataclass(frozen=True)
class Policy:
    """Operand bits of the first layer, the body and the last layer. None means bfloat16."""

    first: Bits | None
    body: Bits | None
    last: Bits | None


W8A8, W4A8, W4A4 = Bits(8, 8), Bits(4, 8), Bits(4, 4)
POLICIES = {
    "bf16": Policy(None, None, None),
    "w8a8": Policy(W8A8, W8A8, W8A8),
    "mostly-4-bit": Policy(W8A8, W4A4, W8A8),
    "w4a4": Policy(W4A4, W4A4, W4A4),
    "w4a8-8-bit-ends": Policy(W8A8, W4A8, W8A8),
}


class Operand(nn.Module):
    """The grid of one layer input: a quantizer, or bfloat16 rounding."""

    def __init__(self, bits: Bits | None, signed: bool, coefficients: dict[int, float]):
        super().__init__()
        self.quantizer = bits and ActivationQuantizer(bits.activation, signed, coefficients[bits.activation])

    def forward(self, value):
        return self.quantizer(value) if self.quantizer else round_bfloat16(value)


class Layer(nn.Module):
    """Convolution or linear layer with its weight grid, batch norm folded after the dot product."""

    def __init__(self, module: nn.Module, bits: Bits | None, normalized: bool):
        super().__init__()
        self.module, self.bits = module, bits
        self.norm = nn.BatchNorm2d(module.out_channels) if normalized else None

    def forward(self, operand):
        weight = self.module.weight
        weight = fake_quantize_weight(weight, self.bits.weight) if self.bits else round_bfloat16(weight)
        if isinstance(self.module, nn.Linear):
            return nn.functional.linear(operand, weight, self.module.bias)
        dot = nn.functional.conv2d(operand, weight, None, self.module.stride, self.module.padding)
        return self.norm(dot)


def convolution(inputs: int, outputs: int, kernel: int, stride: int, bits: Bits | None) -> Layer:
    return Layer(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), bits, normalized=True)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, bits: Bits | None, coefficients: dict[int, float]):
        super().__init__()
        self.input = Operand(bits, False, coefficients)
        self.conv1 = convolution(inputs, outputs, 3, stride, bits)
        self.conv2_input = Operand(bits, False, coefficients)
        self.conv2 = convolution(outputs, outputs, 3, 1, bits)
        self.projection = convolution(inputs, outputs, 1, stride, bits) if stride != 1 or inputs != outputs else None

    def forward(self, stored):
        """`stored`: the block input as stored, bfloat16 where the identity shortcut reads it."""
        operand = self.input(stored)
        shortcut = round_bfloat16(self.projection(operand)) if self.projection else stored
        hidden = self.conv2_input(torch.relu(self.conv1(operand)))
        return torch.relu(self.conv2(hidden) + shortcut)


class ResNet(nn.Module):
    """Depth 6n+2, widths w, 2w, 4w. Input [batch, channels, height, width], output logits."""

    def __init__(self, depth: int, width: int, channels: int, classes: int, stem_stride: int, policy: Policy, coefficients: dict[int, float]):
        super().__init__()
        self.stem_input = Operand(policy.first, True, coefficients)
        self.stem = convolution(channels, width, 3, stem_stride, policy.first)
        blocks, inputs = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                outputs = width << stage
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(Block(inputs, outputs, stride, policy.body, coefficients))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.fc_input = Operand(policy.last, False, coefficients)
        self.fc = Layer(nn.Linear(inputs, classes), policy.last, normalized=False)

    def forward(self, image):
        value = torch.relu(self.stem(self.stem_input(image)))
        for block in self.blocks:
            # A projection block reads its input on one grid only, so the edge is stored on it.
            value = block(value if block.projection else round_bfloat16(value))
        pooled = round_bfloat16(value).mean(dim=(2, 3))
        return self.fc(self.fc_input(pooled))

    def named_layers(self):
        """(name, layer, quantizer name, operand) in execution order, named as in the trace."""
        yield "stem", self.stem, "stem.input", self.stem_input
        per_stage = len(self.blocks) // 3
        for index, block in enumerate(self.blocks):
            name = f"stage{index // per_stage + 1}.block{index % per_stage + 1}"
            if block.projection:
                yield f"{name}.projection", block.projection, f"{name}.conv1.input", block.input
            yield f"{name}.conv1", block.conv1, f"{name}.conv1.input", block.input
            yield f"{name}.conv2", block.conv2, f"{name}.conv2.input", block.conv2_input
        yield "fc", self.fc, "fc.input", self.fc_input
