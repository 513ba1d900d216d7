"""AQT's quantizers and bfloat16 rounding, with straight-through gradients.

Legacy: google-research/google-research, aqt/jax_legacy/jax/{quantization,primitives}.py (also in PyPI
aqtp 0.9.0), the quantizers of arXiv 2105.03536. v2: aqt/jax/v2 of aqtp 0.9.0, with bounds that are
frozen after training where v2 takes those of each batch. A scale multiplies:
q = round(clip(x * scale)), x' = q / scale. Everything is float32.

One departure from AQT's "auto" configurations: activation bounds are per tensor, because a
per-input-channel scale sits inside the contraction and cannot run as one integer MAC chain.
"""

import dataclasses

import torch

EPSILON = 2.0**-23  # added to every bound in float32 before the division
EMA_DECAY = 0.9
PERCENTILE_STRIDE = 7  # a percentile is taken of every so many-th element: sorting all of them would cost more than training


LEGACY, V2 = "aqt-legacy", "aqt-v2"


def weight_scale(weight: torch.Tensor, bits: int, kind: str) -> torch.Tensor:
    """Scale per output channel, [cout, 1, 1, 1] or [cout, 1].

    Legacy: (2^(bits-1) - 1) / (max|w| + eps). v2: (2^(bits-1) - 0.5) / max|w|.
    """
    bound = weight.detach().abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
    if kind == V2:
        return (2 ** (bits - 1) - 0.5) / bound.clamp_min(EPSILON)
    return (2 ** (bits - 1) - 1) / (bound + EPSILON)


def signed_integers(value: torch.Tensor, scale: torch.Tensor, bits: int, kind: str) -> torch.Tensor:
    """Clipped to -B..B, so that -2^(bits-1) never occurs; halves round up (legacy) or to even (v2)."""
    limit = 2 ** (bits - 1) - 1
    clipped = torch.clamp(value * scale, -limit, limit)
    return torch.round(clipped) if kind == V2 else torch.floor(clipped + 0.5)


class _FakeQuantizeWeight(torch.autograd.Function):
    @staticmethod
    def forward(context, weight, bits, kind):
        scale = weight_scale(weight, bits, kind)
        return signed_integers(weight, scale, bits, kind) / scale

    @staticmethod
    def backward(context, gradient):
        return gradient, None, None  # |w| * s exceeds the clip's limit by half a step at most: its gradient is 1


class _FakeQuantizeSigned(torch.autograd.Function):
    @staticmethod
    def forward(context, value, scale, bits, kind):
        limit = 2 ** (bits - 1) - (0.5 if kind == V2 else 1)
        context.save_for_backward((value * scale).abs() <= limit)
        return signed_integers(value, scale, bits, kind) / scale

    @staticmethod
    def backward(context, gradient):
        (inside,) = context.saved_tensors
        return gradient * inside, None, None, None


class _FakeQuantizeUnsigned(torch.autograd.Function):
    @staticmethod
    def forward(context, value, scale, bits):
        floored = torch.floor(value * scale)
        limit = 2**bits - 1
        context.save_for_backward((floored >= 0) & (floored <= limit))
        return floored.clamp_(0, limit) / scale

    @staticmethod
    def backward(context, gradient):
        (inside,) = context.saved_tensors
        return gradient * inside, None, None


class _RoundBfloat16(torch.autograd.Function):
    @staticmethod
    def forward(context, value):
        return value.to(torch.bfloat16).to(torch.float32)

    @staticmethod
    def backward(context, gradient):
        return gradient


fake_quantize_weight = _FakeQuantizeWeight.apply
round_bfloat16 = _RoundBfloat16.apply


@dataclasses.dataclass(frozen=True)
class Quantization:
    """How activations are quantized, whatever their bits."""

    coefficients: dict[int, float]  # c of the bound, by bits
    kind: str = LEGACY
    percentile: float | None = None  # the bound is this share of all |x| instead of c * rms


class ActivationQuantizer(torch.nn.Module):
    """One grid for one tensor. The bound is an EMA of a statistic of each batch, frozen at evaluation:
    min(c * rms, max|x|), or a percentile of |x|.

    Legacy signed:   scale = (2^(bits-1) - 1) / (bound + eps), half up.
    Legacy unsigned: scale = 2^bits / (bound + eps) (not 2^bits - 1), truncating.
    v2, signed only: scale = (2^(bits-1) - 0.5) / bound, half to even.
    """

    def __init__(self, bits: int, signed: bool, quantization: Quantization):
        super().__init__()
        self.bits, self.quantization = bits, quantization
        self.signed = signed or quantization.kind == V2
        self.register_buffer("bound", torch.tensor(0.0))
        self.register_buffer("seen", torch.tensor(False))

    def scale(self) -> torch.Tensor:
        if self.quantization.kind == V2:
            return (2 ** (self.bits - 1) - 0.5) / self.bound
        levels = 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits
        return levels / (self.bound + EPSILON)

    @torch.no_grad()
    def observe(self, value: torch.Tensor) -> None:
        if self.quantization.percentile is None:
            rms = value.square().mean().sqrt()
            statistic = torch.minimum(self.quantization.coefficients[self.bits] * rms, value.abs().max())
        else:
            magnitudes = value.abs().flatten()[::PERCENTILE_STRIDE]
            rank = max(1, round(self.quantization.percentile * len(magnitudes)))
            statistic = magnitudes.kthvalue(rank).values
        statistic = statistic.clamp_min(1e-6)
        if self.seen:
            statistic = EMA_DECAY * self.bound + (1 - EMA_DECAY) * statistic
        self.bound.copy_(statistic)
        self.seen.fill_(True)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.observe(value)
        if self.signed:
            return _FakeQuantizeSigned.apply(value, self.scale(), self.bits, self.quantization.kind)
        return _FakeQuantizeUnsigned.apply(value, self.scale(), self.bits)
