//! From the raw network file to a network: generators, explicit layers, precision policy.

use crate::numerics::{
    Activation, IntegerFormat, QuantizerKind, RequantizationKind, ShiftRounding, Signedness,
};
use crate::source::{SourceError, SourceFile, Spanned, any_of, unknown_value};

use super::architecture::{ArchFamily, Architecture};
use super::layer::{Convolution, FeatureMap, Layer, Operation, Padding, Size, Window, WindowKind};
use super::network::{ConvolutionSpec, EdgeId, Network, NetworkBuilder, NetworkError};
use super::precision::{Bits, PrecisionPolicy, ResidualFormat};
use super::raw::{
    RawActivation, RawConvolution, RawGenerator, RawLayer, RawLayerRequantization, RawPadding,
    RawPaddingRule, RawPrecision, RawQuantizer, RawRequantization, RawResnet, RawShape, RawShiftRounding,
    RawVariant, RawWorkload,
};
use super::resnet::{CifarResnet, ImagenetResnet, PaddingRule, ResidualBlocks, Variant};

/// No extent of a shape or window may be larger.
const MAX_EXTENT: usize = 1 << 16;
const MAX_DEPTH: usize = 1202; // the deepest 6n+2 ResNet of He et al. 2016

/// Width multipliers of the ImageNet-style ResNets: from one filter in the first stage on.
const WIDTH_MULTIPLIERS: std::ops::RangeInclusive<f64> = 1.0 / 64.0..=16.0;

/// Builds the network that the file describes; its architecture if published accuracies know it. Refuses a requantization
/// that no layer has.
pub(super) fn network(
    file: &SourceFile,
    raw: &RawWorkload,
    policy: PrecisionPolicy,
) -> Result<(Network, Option<Architecture>), SourceError> {
    let asked = policy.requantization;
    let (network, architecture) = described(file, raw, policy)?;
    let has = |layer: &Layer| {
        matches!(&layer.operation, Operation::Convolution(Convolution { requantization: Some(_), .. }))
    };
    let key = raw.precision.as_ref().and_then(|precision| precision.requantization.as_ref());
    match (key, asked) {
        (Some(key), Some(kind)) if !network.layers().iter().any(has) => {
            let message = format!(
                "`{}` has no meaning in this network: no layer has integer operands, no shortcut, and a result that is \
                 stored in integers; expected `aqt-float`",
                kind.name()
            );
            Err(file.error(key.span(), message))
        }
        _ => Ok((network, architecture)),
    }
}

fn described(
    file: &SourceFile,
    raw: &RawWorkload,
    policy: PrecisionPolicy,
) -> Result<(Network, Option<Architecture>), SourceError> {
    match (&raw.generator, &raw.input, &raw.layer[..]) {
        (Some(generator), None, []) => {
            let RawGenerator::Resnet(resnet) = generator.get_ref();
            let at = |error: NetworkError| file.error(generator.span(), error.to_string());
            let variant = match resnet.variant.get_ref() {
                RawVariant::Cifar => {
                    refuse_arch_family(file, raw)?;
                    return Ok((cifar_resnet(file, resnet)?.network(policy).map_err(at)?, None));
                }
                RawVariant::V1 => Variant::V1,
                RawVariant::V1_5 => Variant::V1_5,
            };
            let (resnet, mut architecture) = imagenet_resnet(file, resnet, variant)?;
            if let Some(name) = &raw.arch_family {
                architecture.family = arch_family(file, name, architecture.family)?;
            }
            Ok((resnet.network(policy).map_err(at)?, Some(architecture)))
        }
        (None, Some(input), [_, ..]) => {
            refuse_arch_family(file, raw)?;
            Ok((explicit(file, input, &raw.layer, policy)?, None))
        }
        _ => Err(file.error_in_file(
            "a network is described either by `[generator.resnet]` or by `[input]` and at least one `[[layer]]`",
        )),
    }
}

/// Checks the precision table.
pub(super) fn policy(file: &SourceFile, raw: &RawPrecision) -> Result<PrecisionPolicy, SourceError> {
    let bits = |name: &Spanned<String>| -> Result<Bits, SourceError> {
        name.get_ref()
            .parse()
            .map_err(|error: super::UnknownPrecision| file.error(name.span(), error.to_string()))
    };
    let kind = match raw.requantization.as_ref().map(Spanned::get_ref) {
        None | Some(RawLayerRequantization::AqtFloat) => None,
        Some(RawLayerRequantization::F32Rne) => Some(RawRequantization::F32Rne),
        Some(RawLayerRequantization::GemmlowpDouble) => Some(RawRequantization::GemmlowpDouble),
        Some(RawLayerRequantization::TfliteSingle) => Some(RawRequantization::TfliteSingle),
        Some(RawLayerRequantization::Pow2Shift) => Some(RawRequantization::Pow2Shift),
    };
    if let (None, Some(rounding)) = (kind, &raw.rounding) {
        return Err(file.error(
            rounding.span(),
            "belongs to `requantization = \"tflite-single\"` and `\"pow2-shift\"`; leave it out",
        ));
    }
    let requantization = kind.map(|kind| requantization(file, kind, raw.rounding.as_ref())).transpose()?;
    file.only(raw.store.as_ref(), "once", &["per-consumer"])?;
    let end = |name: &Option<Spanned<String>>| name.as_ref().map(bits).transpose();
    Ok(PrecisionPolicy {
        default: bits(&raw.default)?,
        first: end(&raw.first)?,
        last: end(&raw.last)?,
        layers: raw
            .layers
            .iter()
            .map(|(name, value)| Ok((name.clone(), bits(value)?)))
            .collect::<Result<_, _>>()?,
        quantizer: match raw.quantizer {
            RawQuantizer::AqtLegacy => QuantizerKind::AqtLegacy,
            RawQuantizer::AqtV2 => QuantizerKind::AqtV2,
        },
        carrier_bits: raw.carrier.as_ref().map(|carrier| carrier_bits(file, carrier)).transpose()?,
        residual: raw
            .residual_format
            .as_ref()
            .map_or(Ok(ResidualFormat::Bf16), |format| residual_format(file, format))?,
        requantization,
    })
}

/// A requantization and its rounding, where it has a choice of them.
pub(super) fn requantization(
    file: &SourceFile,
    kind: RawRequantization,
    rounding: Option<&Spanned<RawShiftRounding>>,
) -> Result<RequantizationKind, SourceError> {
    let of = |default: ShiftRounding| match rounding.map(Spanned::get_ref) {
        None => default,
        Some(RawShiftRounding::HalfEven) => ShiftRounding::HalfEven,
        Some(RawShiftRounding::HalfUp) => ShiftRounding::HalfUp,
        Some(RawShiftRounding::HalfAway) => ShiftRounding::HalfAway,
        Some(RawShiftRounding::Floor) => ShiftRounding::Floor,
        Some(RawShiftRounding::TowardZero) => ShiftRounding::TowardZero,
    };
    let requantization = match kind {
        RawRequantization::F32Rne => RequantizationKind::F32Rne,
        RawRequantization::GemmlowpDouble => RequantizationKind::GemmlowpDouble,
        RawRequantization::TfliteSingle => RequantizationKind::TfliteSingle(of(ShiftRounding::HalfUp)),
        RawRequantization::Pow2Shift => RequantizationKind::PowerOfTwoShift(of(ShiftRounding::HalfEven)),
    };
    match rounding {
        Some(rounding) if requantization.rounding().is_none() => {
            Err(file.error(rounding.span(), "belongs to `tflite-single` and `pow2-shift`; leave it out"))
        }
        _ => Ok(requantization),
    }
}

/// Bits of the format that operands of fewer bits run in.
fn carrier_bits(file: &SourceFile, name: &Spanned<String>) -> Result<u8, SourceError> {
    file.one_of(name, &[("int4", 4), ("int8", 8)])
}

fn residual_format(file: &SourceFile, name: &Spanned<String>) -> Result<ResidualFormat, SourceError> {
    let signed = |bits| IntegerFormat::new(Signedness::Signed, bits).map(ResidualFormat::Integer);
    let given = name.get_ref().as_str();
    let format = match given {
        "bf16" => Some(ResidualFormat::Bf16),
        "int4" => signed(4),
        "int8" => signed(8),
        _ => None,
    };
    format.ok_or_else(|| {
        let unknown = unknown_value(given, ["bf16", "int8", "int4"]);
        let why = "a projection's shortcut has both signs, so the residual stream is signed";
        file.error(name.span(), format!("{unknown} ({why})"))
    })
}

/// Only where a published accuracy could be joined is there something to say.
fn refuse_arch_family(file: &SourceFile, raw: &RawWorkload) -> Result<(), SourceError> {
    match &raw.arch_family {
        Some(name) => Err(file.error(
            name.span(),
            "published accuracies are joined to `[generator.resnet]` of variant `v1` or `v1.5`; leave this key out",
        )),
        None => Ok(()),
    }
}

/// The generator's own family, or pre-activation, whose shapes are those of v1.
fn arch_family(
    file: &SourceFile,
    name: &Spanned<String>,
    generated: ArchFamily,
) -> Result<ArchFamily, SourceError> {
    let mut accepted = vec![generated];
    if generated == ArchFamily::V1 {
        accepted.push(ArchFamily::PreActivation);
    }
    ArchFamily::named(name.get_ref()).filter(|family| accepted.contains(family)).ok_or_else(|| {
        let accepted: Vec<String> = accepted.iter().map(ToString::to_string).collect();
        let accepted = any_of(accepted.iter().map(String::as_str));
        let message = format!("`{}`: expected {accepted} here", name.get_ref());
        file.error(name.span(), message)
    })
}

fn imagenet_resnet(
    file: &SourceFile,
    raw: &RawResnet,
    variant: Variant,
) -> Result<(ImagenetResnet, Architecture), SourceError> {
    for (key, value) in [("width", &raw.width), ("stem_stride", &raw.stem_stride)] {
        if let Some(value) = value {
            let message = format!("`{key}` is a key of variant `cifar`; the others have `width_multiplier`");
            return Err(file.error(value.span(), message));
        }
    }
    let depth = *raw.depth.get_ref();
    let blocks = ResidualBlocks::of_depth(depth).ok_or_else(|| {
        let depths = ResidualBlocks::DEPTHS.map(|depth| depth.to_string()).join(", ");
        file.error(raw.depth.span(), format!("depth {depth}: expected one of {depths}"))
    })?;
    let width_multiplier = match &raw.width_multiplier {
        Some(multiplier) if !WIDTH_MULTIPLIERS.contains(multiplier.get_ref()) => {
            let (low, high) = (WIDTH_MULTIPLIERS.start(), WIDTH_MULTIPLIERS.end());
            let message = format!("{}: expected {low} to {high}", multiplier.get_ref());
            return Err(file.error(multiplier.span(), message));
        }
        Some(multiplier) => *multiplier.get_ref(),
        None => 1.0,
    };
    let family = match (blocks, variant) {
        (ResidualBlocks::Basic(_), _) | (ResidualBlocks::Bottleneck(_), Variant::V1) => ArchFamily::V1,
        (ResidualBlocks::Bottleneck(_), Variant::V1_5) => ArchFamily::V1_5,
    };
    let resnet = ImagenetResnet {
        blocks,
        variant,
        width_multiplier,
        input: feature_map(raw.input),
        classes: extent(file, &raw.classes, "classes")?,
        padding: padding_rule(raw.padding),
    };
    Ok((resnet, Architecture { family, depth, width_multiplier }))
}

fn padding_rule(raw: RawPaddingRule) -> PaddingRule {
    match raw {
        RawPaddingRule::Torch => PaddingRule::Torch,
        RawPaddingRule::Same => PaddingRule::Same,
    }
}

fn cifar_resnet(file: &SourceFile, raw: &RawResnet) -> Result<CifarResnet, SourceError> {
    if let Some(multiplier) = &raw.width_multiplier {
        let message = "a key of variants `v1` and `v1.5`; give the first stage's channels as `width`";
        return Err(file.error(multiplier.span(), message));
    }
    let depth = *raw.depth.get_ref();
    if !(8..=MAX_DEPTH).contains(&depth) || !(depth - 2).is_multiple_of(6) {
        let message = format!("depth {depth}: expected 6n+2 from 8 to {MAX_DEPTH}: 8, 14, 20, …");
        return Err(file.error(raw.depth.span(), message));
    }
    let Some(width) = &raw.width else {
        return Err(
            file.error(raw.variant.span(), "variant `cifar` needs `width`, the channels of its first stage")
        );
    };
    Ok(CifarResnet {
        depth,
        width: extent(file, width, "width")?,
        stem_stride: raw.stem_stride.as_ref().map_or(Ok(1), |stride| extent(file, stride, "stem_stride"))?,
        input: feature_map(raw.input),
        classes: extent(file, &raw.classes, "classes")?,
        padding: padding_rule(raw.padding),
    })
}

fn extent(file: &SourceFile, value: &Spanned<usize>, what: &str) -> Result<usize, SourceError> {
    let size = *value.get_ref();
    if (1..=MAX_EXTENT).contains(&size) {
        return Ok(size);
    }
    Err(file.error(value.span(), format!("{what} = {size}: expected 1 to {MAX_EXTENT}")))
}

fn feature_map(raw: RawShape) -> FeatureMap {
    FeatureMap { height: raw.height, width: raw.width, channels: raw.channels }
}

fn explicit(
    file: &SourceFile,
    input: &Spanned<RawShape>,
    layers: &[Spanned<RawLayer>],
    policy: PrecisionPolicy,
) -> Result<Network, SourceError> {
    let mut builder = NetworkBuilder::new(feature_map(*input.get_ref()), policy)
        .map_err(|error| file.error(input.span(), error.to_string()))?;
    let mut previous = builder.image();
    for layer in layers {
        let raw = layer.get_ref();
        let at = |error: NetworkError| file.error(raw.name.span(), error.to_string());
        let edge = |name: &Spanned<String>| {
            builder.edge_named(name.get_ref()).ok_or_else(|| {
                let message = format!("`{}` is neither `image` nor an earlier layer", name.get_ref());
                file.error(name.span(), message)
            })
        };
        let from = raw.input.as_ref().map_or(Ok(previous), edge)?;
        let shortcut = raw.shortcut.as_ref().map(edge).transpose()?;
        refuse_unsupported(file, raw)?;
        let name = raw.name.get_ref();
        previous = match (&raw.conv2d, &raw.linear, &raw.max_pool, &raw.global_average_pool) {
            (Some(convolution), None, None, None) => {
                let RawConvolution { kernel, stride, dilation, padding, .. } = *convolution;
                let window = Some(window(file, raw, kernel, stride, dilation, padding)?);
                let spec = spec(
                    raw,
                    WindowKind::Convolution,
                    window,
                    convolution.out_channels,
                    convolution.groups,
                    shortcut,
                );
                builder.convolution(name, from, spec).map_err(at)?
            }
            (None, Some(linear), None, None) => {
                let spec = spec(raw, WindowKind::Linear, None, linear.out_features, 1, shortcut);
                builder.convolution(name, from, spec).map_err(at)?
            }
            (None, None, Some(pool), None) => {
                refuse_fused(file, raw)?;
                let window = window(file, raw, pool.kernel, pool.stride, [1, 1], pool.padding)?;
                builder.max_pool(name, from, window).map_err(at)?
            }
            (None, None, None, Some(_)) => {
                refuse_fused(file, raw)?;
                builder.global_average_pool(name, from).map_err(at)?
            }
            _ => {
                let message =
                    "a layer has exactly one of `conv2d`, `linear`, `max_pool` and `global_average_pool`";
                return Err(file.error(raw.name.span(), message));
            }
        };
    }
    builder.finish().map_err(|error| {
        let span = layers.iter().find(|layer| *layer.get_ref().name.get_ref() == error.layer);
        match span {
            Some(layer) => file.error(layer.get_ref().name.span(), error.to_string()),
            None => file.error_in_file(error.to_string()),
        }
    })
}

fn refuse_fused(file: &SourceFile, raw: &RawLayer) -> Result<(), SourceError> {
    let fused = raw.shortcut.is_some() || raw.activation.is_some();
    if fused || raw.quantizer.is_some() || raw.signed_input.is_some() {
        let message = "`shortcut`, `activation`, `quantizer` and `signed_input` are keys of convolution and linear \
                       layers; leave them out";
        return Err(file.error(raw.name.span(), message));
    }
    Ok(())
}

fn refuse_unsupported(file: &SourceFile, raw: &RawLayer) -> Result<(), SourceError> {
    for (operation, table) in [
        ("average_pool", &raw.average_pool),
        ("add", &raw.add),
        ("relu", &raw.relu),
        ("batch_norm", &raw.batch_norm),
        ("requantize", &raw.requantize),
    ] {
        if let Some(table) = table {
            let message = format!(
                "`{operation}` as a layer of its own: not in this version; convolution and linear layers fuse \
                 batch norm (folded into multiplier and bias), `shortcut` and `activation`"
            );
            return Err(file.error(table.span(), message));
        }
    }
    Ok(())
}

fn window(
    file: &SourceFile,
    layer: &RawLayer,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: RawPadding,
) -> Result<Window, SourceError> {
    let size = |[height, width]: [usize; 2]| Size { height, width };
    let RawPadding { top, bottom, left, right } = padding;
    let padding = Padding { top, bottom, left, right };
    let positive = [kernel, stride, dilation].concat();
    let any = [padding.top, padding.bottom, padding.left, padding.right];
    if positive.iter().any(|size| !(1..=MAX_EXTENT).contains(size))
        || any.iter().any(|size| *size > MAX_EXTENT)
    {
        let message = format!(
            "kernel, stride and dilation are 1 to {MAX_EXTENT} and padding at most {MAX_EXTENT} in each direction"
        );
        return Err(file.error(layer.name.span(), message));
    }
    Ok(Window { kernel: size(kernel), stride: size(stride), dilation: size(dilation), padding })
}

fn spec(
    raw: &RawLayer,
    kind: WindowKind,
    window: Option<Window>,
    out_channels: usize,
    groups: usize,
    shortcut: Option<EdgeId>,
) -> ConvolutionSpec {
    ConvolutionSpec {
        kind,
        window,
        out_channels,
        groups,
        shortcut,
        activation: match raw.activation {
            Some(RawActivation::Relu) => Activation::Relu,
            Some(RawActivation::Identity) | None => Activation::Identity,
        },
        quantizer: raw.quantizer.as_ref().map(|name| name.get_ref().clone()),
        signed_input: raw
            .signed_input
            .map(|signed| if signed { Signedness::Signed } else { Signedness::Unsigned }),
    }
}
