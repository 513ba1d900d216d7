//! From the raw network file to a network: generators, explicit layers, precision policy.

use toml::Spanned;

use crate::numerics::{Activation, QuantizerKind, Signedness};
use crate::source::{SourceError, SourceFile};

use super::layer::{FeatureMap, Padding, Size, Window, WindowKind};
use super::network::{ConvolutionSpec, EdgeId, Network, NetworkBuilder, NetworkError};
use super::precision::{Bits, PrecisionPolicy};
use super::raw::{
    RawActivation, RawConvolution, RawGenerator, RawLayer, RawPaddingRule, RawPrecision, RawQuantizer,
    RawResnet, RawShape, RawVariant, RawWorkload,
};
use super::resnet::{CifarResnet, PaddingRule};

/// No extent of a shape or window may be larger.
const MAX_EXTENT: usize = 1 << 16;
const MAX_DEPTH: usize = 1202; // the deepest 6n+2 ResNet of He et al. 2016

/// Builds the network that the file describes.
pub(super) fn network(
    file: &SourceFile,
    raw: &RawWorkload,
    policy: PrecisionPolicy,
) -> Result<Network, SourceError> {
    match (&raw.generator, &raw.input, &raw.layer[..]) {
        (Some(generator), None, []) => match generator.get_ref() {
            RawGenerator::Resnet(resnet) => {
                let resnet = cifar_resnet(file, resnet)?;
                resnet.network(policy).map_err(|error| file.error(generator.span(), error.to_string()))
            }
        },
        (None, Some(input), [_, ..]) => explicit(file, input, &raw.layer, policy),
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
    let later = ["f32-rne", "gemmlowp-double", "tflite-single", "pow2-shift"];
    file.only(raw.requantization.as_ref(), "aqt-float", &later)?;
    file.only(raw.residual_format.as_ref(), "bf16", &["int4", "int8", "uint4", "uint8", "f32"])?;
    file.only(raw.store.as_ref(), "once", &["per-consumer"])?;
    if let Some(carrier) = &raw.carrier {
        return Err(
            file.error(carrier.span(), "not in this version: 2- and 3-bit networks run as their own pair")
        );
    }
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
    })
}

fn cifar_resnet(file: &SourceFile, raw: &RawResnet) -> Result<CifarResnet, SourceError> {
    if *raw.variant.get_ref() != RawVariant::Cifar {
        return Err(file.error(raw.variant.span(), "not in this version; expected `cifar`"));
    }
    if let Some(multiplier) = &raw.width_multiplier {
        return Err(
            file.error(multiplier.span(), "not in this version; give the first stage's channels as `width`")
        );
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
        padding: match raw.padding {
            RawPaddingRule::Torch => PaddingRule::Torch,
            RawPaddingRule::Same => PaddingRule::Same,
        },
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
        previous = match (&raw.conv2d, &raw.linear, &raw.global_average_pool) {
            (Some(convolution), None, None) => {
                let window = Some(window(file, raw, convolution)?);
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
            (None, Some(linear), None) => {
                let spec = spec(raw, WindowKind::Linear, None, linear.out_features, 1, shortcut);
                builder.convolution(name, from, spec).map_err(at)?
            }
            (None, None, Some(_)) => {
                let fused = raw.shortcut.is_some() || raw.activation.is_some();
                if fused || raw.quantizer.is_some() || raw.signed_input.is_some() {
                    let message = "`shortcut`, `activation`, `quantizer` and `signed_input` are keys of convolution \
                                   and linear layers; leave them out";
                    return Err(file.error(raw.name.span(), message));
                }
                builder.global_average_pool(name, from).map_err(at)?
            }
            _ => {
                let message = "a layer has exactly one of `conv2d`, `linear` and `global_average_pool`";
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

fn refuse_unsupported(file: &SourceFile, raw: &RawLayer) -> Result<(), SourceError> {
    for (operation, table) in [
        ("max_pool", &raw.max_pool),
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

fn window(file: &SourceFile, layer: &RawLayer, raw: &RawConvolution) -> Result<Window, SourceError> {
    let size = |[height, width]: [usize; 2]| Size { height, width };
    let padding = Padding {
        top: raw.padding.top,
        bottom: raw.padding.bottom,
        left: raw.padding.left,
        right: raw.padding.right,
    };
    let positive = [raw.kernel, raw.stride, raw.dilation].concat();
    let any = [padding.top, padding.bottom, padding.left, padding.right];
    if positive.iter().any(|size| !(1..=MAX_EXTENT).contains(size))
        || any.iter().any(|size| *size > MAX_EXTENT)
    {
        let message = format!(
            "kernel, stride and dilation are 1 to {MAX_EXTENT} and padding at most {MAX_EXTENT} in each direction"
        );
        return Err(file.error(layer.name.span(), message));
    }
    Ok(Window { kernel: size(raw.kernel), stride: size(raw.stride), dilation: size(raw.dilation), padding })
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
