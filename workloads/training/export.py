"""From a trained model to a trace: integers or bfloat16 weights, folded multipliers, scales.

The dot product is followed by f32(acc) * multiplier[c] + bias[c]. Batch norm is folded into
these two in float64 from the float32 scales:
    multiplier = f32(gamma / (S_a * S_w * sqrt(var + eps)))
    bias       = f32(beta - mean * gamma / sqrt(var + eps))
A layer without batch norm has multiplier f32(1 / (S_a * S_w)) and its own bias.
"""

import torch

from model import ResNet
from quantizers import signed_integers, weight_scale


@torch.no_grad()
def trace_tensors(model: ResNet) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, layer, quantizer_name, operand in model.named_layers():
        weight = layer.module.weight.detach()
        if layer.bits:
            scale = weight_scale(weight, layer.bits.weight, layer.kind)
            stored = signed_integers(weight, scale, layer.bits.weight, layer.kind).to(torch.int8)
            activation_scale = operand.quantizer.scale().reshape(1)
            tensors[f"{quantizer_name}.scale"] = activation_scale
            dequantize = 1.0 / (activation_scale.double() * scale.reshape(-1).double())
        else:
            stored = weight.to(torch.bfloat16)
            dequantize = torch.ones(weight.shape[0], dtype=torch.float64)
        if weight.dim() == 2:
            stored = stored[:, :, None, None]
        tensors[f"{name}.weight"] = stored.permute(0, 2, 3, 1).contiguous()  # [cout, kh, kw, cin]
        if layer.norm is None:
            multiplier, bias = dequantize, layer.module.bias.double()
        else:
            norm = layer.norm
            gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
            multiplier, bias = dequantize * gain, norm.bias.double() - norm.running_mean.double() * gain
        tensors[f"{name}.multiplier"] = multiplier.float()
        tensors[f"{name}.bias"] = bias.float()
    for edge, stored in model.named_residuals():
        if stored.quantizer:
            tensors[f"{edge}.stored.scale"] = stored.quantizer.scale().reshape(1)
    return tensors
