"""AQT's legacy quantizers and bfloat16 rounding, with straight-through gradients.

Formulas: google-research/google-research, aqt/jax_legacy/jax/{quantization,primitives}.py
(also in PyPI aqtp 0.9.0), the quantizers of arXiv 2105.03536. A scale multiplies:
q = round(clip(x * scale)), x' = q / scale. Everything is float32.

One departure from AQT's "auto" configurations: activation bounds are per tensor, because a
per-input-channel scale sits inside the contraction and cannot run as one integer MAC chain.
"""

import torch

EPSILON = 2.0**-23  # added to every bound in float32 before the division
EMA_DECAY = 0.9


def weight_scale(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """Scale per output channel, [cout, 1, 1, 1] or [cout, 1]: (2^(bits-1) - 1) / (max|w| + eps)."""
    bound = weight.detach().abs().amax(dim=tuple(range(1, weight.dim())), keepdim=True)
    return (2 ** (bits - 1) - 1) / (bound + EPSILON)


def weight_integers(weight: torch.Tensor, scale: torch.Tensor, bits: int) -> torch.Tensor:
    """floor(clip(w * s, -B, B) + 0.5): halves round up, -2^(bits-1) never occurs."""
    limit = 2 ** (bits - 1) - 1
    return torch.floor(torch.clamp(weight * scale, -limit, limit) + 0.5)


class _FakeQuantizeWeight(torch.autograd.Function):
    @staticmethod
    def forward(context, weight, bits):
        scale = weight_scale(weight, bits)
        return weight_integers(weight, scale, bits) / scale

    @staticmethod
    def backward(context, gradient):
        return gradient, None  # |w| * s never exceeds the clip's limit, so its gradient is 1


class _FakeQuantizeSigned(torch.autograd.Function):
    @staticmethod
    def forward(context, value, scale, bits):
        limit = 2 ** (bits - 1) - 1
        scaled = value * scale
        context.save_for_backward(scaled.abs() <= limit)
        return torch.floor(scaled.clamp_(-limit, limit) + 0.5) / scale

    @staticmethod
    def backward(context, gradient):
        (inside,) = context.saved_tensors
        return gradient * inside, None, None


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


class ActivationQuantizer(torch.nn.Module):
    """One grid for one tensor. The bound is an EMA of min(c * rms, max|x|), frozen at evaluation.

    Signed:   scale = (2^(bits-1) - 1) / (bound + eps), half up.
    Unsigned: scale = 2^bits / (bound + eps) (not 2^bits - 1), truncating.
    """

    def __init__(self, bits: int, signed: bool, coefficient: float):
        super().__init__()
        self.bits, self.signed, self.coefficient = bits, signed, coefficient
        self.register_buffer("bound", torch.tensor(0.0))
        self.register_buffer("seen", torch.tensor(False))

    def scale(self) -> torch.Tensor:
        levels = 2 ** (self.bits - 1) - 1 if self.signed else 2**self.bits
        return levels / (self.bound + EPSILON)

    @torch.no_grad()
    def observe(self, value: torch.Tensor) -> None:
        rms = value.square().mean().sqrt()
        statistic = torch.minimum(self.coefficient * rms, value.abs().max()).clamp_min(1e-6)
        if self.seen:
            statistic = EMA_DECAY * self.bound + (1 - EMA_DECAY) * statistic
        self.bound.copy_(statistic)
        self.seen.fill_(True)

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.observe(value)
        function = _FakeQuantizeSigned if self.signed else _FakeQuantizeUnsigned
        return function.apply(value, self.scale(), self.bits)
