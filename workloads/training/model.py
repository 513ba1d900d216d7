"""The CIFAR-style 6n+2 ResNet as it is executed: rounded wherever a tensor is stored.

A tensor that all its readers take on one grid is stored on that grid. A tensor also read by a
residual add or a pool is stored in the residual format, bfloat16 or int8, and quantized when read. Inside a fused layer
(convolution, batch norm, add, ReLU) nothing is rounded.
"""

import dataclasses

import torch
from torch import nn

from quantizers import ActivationQuantizer, Quantization, fake_quantize_weight, round_bfloat16


@dataclasses.dataclass(frozen=True)
class Bits:
    """Operand bits of one layer."""

    weight: int
    activation: int


@dataclasses.dataclass(frozen=True)
class Policy:
    """Operand bits of the first layer, the body and the last layer; None means bfloat16. And how its
    activations are quantized where that is not the recipe's way."""

    first: Bits | None
    body: Bits | None
    last: Bits | None
    quantization: dict = dataclasses.field(default_factory=dict)  # fields of Quantization
    residual_bits: int | None = None  # of a signed grid; None means bfloat16


W8A8, W4A8, W4A4, W2A2 = Bits(8, 8), Bits(4, 8), Bits(4, 4), Bits(2, 2)
POLICIES = {
    "bf16": Policy(None, None, None),
    "w8a8": Policy(W8A8, W8A8, W8A8),
    "mostly-4-bit": Policy(W8A8, W4A4, W8A8),
    "w4a4": Policy(W4A4, W4A4, W4A4),
    "w4a8-8-bit-ends": Policy(W8A8, W4A8, W8A8),
    "w2a2-8-bit-ends": Policy(W8A8, W2A2, W8A8),
    "mostly-4-bit-int8-residual": Policy(W8A8, W4A4, W8A8, residual_bits=8),
    "mostly-4-bit-aqt-v2": Policy(W8A8, W4A4, W8A8, {"kind": "aqt-v2"}),
    "mostly-4-bit-percentile": Policy(W8A8, W4A4, W8A8, {"percentile": 0.999}),
}


class Stored(nn.Module):
    """A tensor in the residual format."""

    def __init__(self, policy: Policy, quantization: Quantization):
        super().__init__()
        bits = policy.residual_bits
        self.quantizer = bits and ActivationQuantizer(bits, True, quantization)

    def forward(self, value):
        return self.quantizer(value) if self.quantizer else round_bfloat16(value)


class Operand(nn.Module):
    """The grid of one layer input: a quantizer, or bfloat16 rounding."""

    def __init__(self, bits: Bits | None, signed: bool, quantization: Quantization):
        super().__init__()
        self.quantizer = bits and ActivationQuantizer(bits.activation, signed, quantization)

    def forward(self, value):
        return self.quantizer(value) if self.quantizer else round_bfloat16(value)


class Layer(nn.Module):
    """Convolution or linear layer with its weight grid, batch norm folded after the dot product."""

    def __init__(self, module: nn.Module, bits: Bits | None, kind: str, normalized: bool):
        super().__init__()
        self.module, self.bits, self.kind = module, bits, kind
        self.norm = nn.BatchNorm2d(module.out_channels) if normalized else None

    def forward(self, operand):
        weight = self.module.weight
        weight = fake_quantize_weight(weight, self.bits.weight, self.kind) if self.bits else round_bfloat16(weight)
        if isinstance(self.module, nn.Linear):
            return nn.functional.linear(operand, weight, self.module.bias)
        dot = nn.functional.conv2d(operand, weight, None, self.module.stride, self.module.padding)
        return self.norm(dot)


def convolution(inputs: int, outputs: int, kernel: int, stride: int, bits: Bits | None, kind: str) -> Layer:
    return Layer(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), bits, kind, normalized=True)


class Block(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int, policy: Policy, quantization: Quantization):
        super().__init__()
        bits, kind = policy.body, quantization.kind
        self.input = Operand(bits, False, quantization)
        self.conv1 = convolution(inputs, outputs, 3, stride, bits, kind)
        self.conv2_input = Operand(bits, False, quantization)
        self.conv2 = convolution(outputs, outputs, 3, 1, bits, kind)
        projects = stride != 1 or inputs != outputs
        self.projection = convolution(inputs, outputs, 1, stride, bits, kind) if projects else None
        # A projection block reads its input on one grid only; an identity block adds it too.
        self.shortcut = Stored(policy, quantization)

    def forward(self, value):
        """`value`: what the layer before computed, not yet rounded."""
        if self.projection:
            operand = self.input(value)
            shortcut = self.shortcut(self.projection(operand))
        else:
            shortcut = self.shortcut(value)
            operand = self.input(shortcut)
        hidden = self.conv2_input(torch.relu(self.conv1(operand)))
        return torch.relu(self.conv2(hidden) + shortcut)


class ResNet(nn.Module):
    """Depth 6n+2, widths w, 2w, 4w. Input [batch, channels, height, width], output logits."""

    def __init__(self, depth: int, width: int, channels: int, classes: int, stem_stride: int, policy: Policy, coefficients: dict[int, float]):
        super().__init__()
        quantization = Quantization(coefficients, **policy.quantization)
        kind = quantization.kind
        self.stem_input = Operand(policy.first, True, quantization)
        self.stem = convolution(channels, width, 3, stem_stride, policy.first, kind)
        blocks, inputs = [], width
        for stage in range(3):
            for index in range((depth - 2) // 6):
                outputs = width << stage
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(Block(inputs, outputs, stride, policy, quantization))
                inputs = outputs
        self.blocks = nn.ModuleList(blocks)
        self.pooled = Stored(policy, quantization)
        self.fc_input = Operand(policy.last, False, quantization)
        self.fc = Layer(nn.Linear(inputs, classes), policy.last, kind, normalized=False)

    def forward(self, image):
        value = torch.relu(self.stem(self.stem_input(image)))
        for block in self.blocks:
            value = block(value)
        return self.fc(self.fc_input(self.pooled(value).mean(dim=(2, 3))))

    def named_residuals(self):
        """(edge, its storage) of every tensor in the residual format, named as in the trace."""
        per_stage, before = len(self.blocks) // 3, "stem"
        for index, block in enumerate(self.blocks):
            name = f"stage{index // per_stage + 1}.block{index % per_stage + 1}"
            yield (f"{name}.projection" if block.projection else before), block.shortcut
            before = f"{name}.conv2"
        yield before, self.pooled

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
