"""Fields that forks of Caffe added to its messages: which are without effect here, and what the others would change.

Fields of layers that Caffe does not have are their layers' affair. Sources: the forks' caffe.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class ForkField(NamedTuple):
    """Whose field it is, and what it does there; `instead`: what to do where it changes results, "": it does not.

    by_layers: layers that read its message read it, or say in `not_read` that they do not.
    refused_unread: of these, one that is refused by layers that do not read it.
    harmless_values: of one that changes results those that do not, besides its default.
    """

    whose: str
    does: str
    instead: str = ""
    harmless_values: tuple[object, ...] = ()
    by_layers: bool = False
    refused_unread: bool = False

    @property
    def is_harmless(self) -> bool:
        """Whether results do not depend on it, so that a net runs without it."""
        return not self.instead


def _harmless(message: str, names: str, whose: str, why: str) -> dict[str, ForkField]:
    return {f"{message}.{name}": ForkField(whose, why) for name in names.split()}


def _changing(
    message: str, names: str, whose: str, does: str, instead: str, harmless: Iterable[object] = ()
) -> dict[str, ForkField]:
    return {f"{message}.{name}": ForkField(whose, does, instead, tuple(harmless)) for name in names.split()}


def _of_layers(
    message: str, names: str, whose: str, does: str, instead: str, refused_unread: bool = False
) -> dict[str, ForkField]:
    return {f"{message}.{name}": ForkField(whose, does, instead, (), True, refused_unread) for name in names.split()}


NV, INTEL, SSD, SEGNET, HN, PSPNET = "NVIDIA", "Intel", "SSD", "SegNet", "happynear", "PSPNet"
_KERNELS = "caffelite computes with its own kernels, on the CPU"
_FLOATS = "caffelite computes in float32, or in float64 where a program asks for it"
_READING = "how data is read ahead changes nothing in what is read"
_LAYER_LOG = "it says more in the fork's own log"
_AUGMENT = "write what is alike as transform_param.augmentation, and leave it out"
_RESIZE = "resize the images when the database is made (caffelite convert_imageset), and leave it out"
_CROP = "write crop_size, whose crops are square"
_RATE = 'write lr_policy: "pieces" with a lr_piece for each part'
_WARMUP = "write lr_warmup { iterations: N start: FACTOR }, which rises in equal steps"
_NOT_IN_LAYER = "the layer that it stands in does not read it; leave it out where results need not be the fork's"
_SCALE_AFTER = "write a Scale layer behind the BatchNorm, with bias_term: true for a shift"
_ENGINES = "Concat Dropout Eltwise InnerProduct PReLU BatchNorm"

FIELDS: dict[str, ForkField] = {
    # without effect
    **_harmless("LayerParameter", "engine", INTEL, _KERNELS),
    **_harmless("NetParameter", "engine", INTEL, _KERNELS),
    **{
        key: field
        for name in _ENGINES.split()
        for key, field in _harmless(f"{name}Parameter", "engine", INTEL, _KERNELS).items()
    },
    **_harmless("LayerParameter", "forward_type backward_type forward_math backward_math", NV, _FLOATS),
    **_harmless("LayerParameter", "debug", NV, _LAYER_LOG),
    **_harmless("LayerParameter", "cudnn_math_override", NV, _KERNELS),
    **_harmless("LayerParameter", "quantization_param", INTEL, _FLOATS),
    **_harmless("LayerParameter", "reshape_every_iter", "FlowNet", "layers are shaped anew where a size changed"),
    **_harmless("LayerParameter", "multinode", INTEL, "a net runs on one machine"),
    **_harmless("LayerParameter", "deletetop deletebottom", "a fork", "it frees memory early, and changes no value"),
    **_harmless(
        "NetParameter",
        "default_forward_type default_backward_type default_forward_math default_backward_math",
        NV,
        _FLOATS,
    ),
    **_harmless(
        "NetParameter", "global_grad_scale global_grad_scale_adaptive", NV, f"it is for half precision; {_FLOATS}"
    ),
    **_harmless("NetParameter", "default_conv_algos_override default_cudnn_math_override", NV, _KERNELS),
    **_harmless("NetParameter", "reduce_buckets", NV, "it is about sending gradients between GPUs"),
    **_harmless("NetParameter", "bn_stats_batch_size", INTEL, "it splits batches between processes"),
    **_harmless("NetParameter", "eltwise_mem_sharing", INTEL, "it saves memory, and changes no value"),
    **_harmless(
        "ConvolutionParameter", "cudnn_convolution_algo_seeker conv_algos_override cudnn_math_override", NV, _KERNELS
    ),
    **_harmless("DataParameter", "threads parser_threads cache", NV, _READING),
    **_harmless("DataParameter", "shuffle", INTEL, "records come in the order of the database"),
    **_harmless("ImageDataParameter", "threads cache", NV, _READING),
    **_harmless("BatchNormParameter", "stats_batch_size", INTEL, "it splits batches between processes"),
    **_harmless("TransformationParameter", "random_seed", NV, "random numbers follow from the solver's random_seed"),
    **_harmless("TransformationParameter", "use_gpu_transform", NV, _KERNELS),
    **_harmless("TransformationParameter", "emit_constraint", SSD, "it is about boxes, of which this layer reads none"),
    **_harmless("TransformationParameter", "allow_upscale", NV, "it counts with img_rand_resize_lower only"),
    **_harmless("SolverParameter", "solver_data_type", NV, _FLOATS),
    **_harmless(
        "SolverParameter", "ap_version show_per_class_result", SSD, 'it counts with eval_type: "detection" only'
    ),
    **_harmless("SolverParameter", "larc_eta larc_policy", NV, "it counts with larc: true only"),
    **_harmless("SolverParameter", "rampup_lr", NV, "it counts with rampup_interval only"),
    **_harmless("SolverParameter", "max_momentum", NV, "it counts with momentum_policy only"),
    **_harmless("SolverParameter", "warmup_start_lr", INTEL, "it counts with warmup_iter only"),
    # of layers: they read them, or say that they do not
    **_of_layers(
        "PoolingParameter", "ceil_mode", "soeaver", "false rounds the top's size down", "write round_mode: FLOOR"
    ),
    **_of_layers(
        "PoolingParameter", "torch_pooling", NV, "the top's size follows Torch's rule", "write round_mode: FLOOR"
    ),
    **_of_layers("PoolingParameter", "avg_include_pad", INTEL, "false leaves the padding out of means", _NOT_IN_LAYER),
    **_of_layers(
        "ELUParameter", "lambda", NV, "results are multiplied by it", "write a Power layer with scale behind it"
    ),
    **_of_layers("DetectionOutputParameter", "clip", "OpenCV", "boxes are cut to the image", _NOT_IN_LAYER),
    **_of_layers("ReshapeParameter", "pixelshuffler", INTEL, "channels become squares of pixels", _NOT_IN_LAYER),
    **_changing("InnerProductParameter", "normalize", HN, "rows of weights get length 1", _NOT_IN_LAYER),
    **_of_layers("DropoutParameter", "scale_train", "Fast R-CNN", "false scales in TEST, not in TRAIN", _NOT_IN_LAYER),
    **_of_layers("DropoutParameter", "sample_weights_test", SEGNET, "true drops in TEST, too", _NOT_IN_LAYER),
    **_of_layers(
        "BatchNormParameter", "scale_bias scale_filler bias_filler", NV, "the layer scales and shifts", _SCALE_AFTER
    ),
    **_of_layers(
        "BatchNormParameter",
        "use_weight_bias bias_term filler",
        INTEL,
        "it is about a scale and shift inside",
        _SCALE_AFTER,
    ),
    **_of_layers("BatchNormParameter", "relu", INTEL, "negative results become 0", "write a ReLU layer behind it"),
    **_of_layers(
        "BatchNormParameter",
        "update_global_stats",
        PSPNET,
        "averages go on while the given ones are used",
        _NOT_IN_LAYER,
    ),
    **_of_layers(
        "LossParameter", "pre_fixed_normalizer", "R-FCN", "the loss is divided by it", "divide loss_weight by it"
    ),
    **_of_layers(
        "LossParameter", "label_smoothing", NV, "a share of each item goes to all classes", _NOT_IN_LAYER, True
    ),
    **_of_layers(
        "LossParameter",
        "weight_by_label_freqs",
        SEGNET,
        "items count by the weight of their class",
        "write InfogainLoss with the weights on the diagonal of its matrix",
        True,
    ),
    **_of_layers(
        "LossParameter",
        "class_weighting",
        SEGNET,
        "items count by the weight of their class",
        "write InfogainLoss with the weights on the diagonal of its matrix",
    ),
    **_changing(
        "ConvolutionParameter", "hole hole_h hole_w", "DeepLab", "kernels are dilated", "write dilation in its place"
    ),
    # of data
    **_changing(
        "ImageDataParameter",
        "min_height min_width",
        INTEL,
        "small images are enlarged",
        "write new_height and new_width",
    ),
    **_changing(
        "ImageDataParameter",
        "short_side",
        NV,
        "images are resized by their shorter side",
        "write new_height and new_width",
    ),
    **_changing(
        "ImageDataParameter",
        "ignore_label label_type",
        PSPNET,
        "labels are images",
        "ImageSegData reads it, which is not here",
    ),
    **_changing("TransformationParameter", "resize_param", SSD, "images are resized first", _RESIZE),
    **_changing("TransformationParameter", "noise_param distort_param", SSD, "it changes images at random", _AUGMENT),
    **_changing(
        "TransformationParameter", "expand_param", SSD, "images are put on larger canvases at random", _AUGMENT
    ),
    **_changing("TransformationParameter", "crop_h crop_w", SSD, "the crop has sides of its own", _CROP),
    **_changing("TransformationParameter", "crop_width crop_height", PSPNET, "the crop has sides of its own", _CROP),
    **_changing(
        "TransformationParameter", "scale_factors", PSPNET, "images are resized by one of them at random", _AUGMENT
    ),
    **_changing(
        "TransformationParameter",
        "random_resize_param random_aspect_ratio_param",
        INTEL,
        "it changes images at random",
        _AUGMENT,
    ),
    **_changing(
        "TransformationParameter",
        "img_rand_resize_lower img_rand_resize_upper rand_resize_ratio_lower rand_resize_ratio_upper "
        "vertical_stretch_lower vertical_stretch_upper",
        NV,
        "images are resized at random",
        _AUGMENT,
    ),
    # of solvers
    **_changing(
        "SolverParameter",
        "eval_type",
        SSD,
        "tests count what DetectionEvaluate finds",
        'write eval_type: "classification", or leave it out: mean outputs of test nets are all that is told here',
        ["classification"],
    ),
    **_changing("SolverParameter", "min_lr", NV, "the rate never gets below it", _RATE),
    **_changing("SolverParameter", "rampup_interval", NV, "the rate rises with the square of the iteration", _WARMUP),
    **_changing(
        "SolverParameter",
        "larc",
        NV,
        "each layer's rate follows from its weights' and gradients' lengths",
        "leave it out",
    ),
    **_changing("SolverParameter", "momentum_policy", NV, "the momentum changes", "leave it out", ["fixed"]),
    **_changing("SolverParameter", "warmup_iter", INTEL, "the rate rises in the first iterations", _WARMUP),
    **_changing("SolverParameter", "stagelr stageiter", INTEL, "the rate has stages", _RATE),
    **_changing(
        "SolverParameter",
        "plateau_winsize",
        INTEL,
        "the rate falls when the loss does not",
        "write lr_plateau { patience: N }",
    ),
    **_changing("SolverParameter", "local_lr_auto", INTEL, "each layer has a rate of its own", "leave it out"),
    **_changing("SoftmaxParameter", "normalize_type label_smooth_factor", HN, "it changes the loss", "leave it out"),
    **_changing(
        "ConvolutionParameter", "relu negative_slope", INTEL, "a ReLU is inside", "write a ReLU layer behind it"
    ),
    **_changing(
        "ConvolutionParameter",
        "coeff fusion_type",
        INTEL,
        "an Eltwise is inside",
        "take the net as it was before Intel's tool",
    ),
    **_changing(
        "ReLUParameter",
        "fuse",
        INTEL,
        "the ReLU is inside of another layer",
        "take the net as it was before Intel's tool",
    ),
    **_changing("TransformationParameter", "center_crop erase_ratio", HN, "it changes images", _AUGMENT),
    **_changing("DropoutParameter", "sqrt_scale", HN, "values are scaled by another factor", "leave it out"),
    **_changing(
        "BatchNormParameter", "disable_mean disable_variance", HN, "a part of the layer is off", "leave it out"
    ),
}

# Fields of forks that caffe.proto does not have: no layer reads them.
UNKNOWN: dict[str, ForkField] = {
    **_changing(
        "ConvolutionParameter",
        "kernel_depth temporal_pad temporal_stride",
        "C3D",
        "kernels have a depth",
        "write kernel_size, pad and stride once for each axis",
    ),
    **_changing(
        "PoolingParameter", "kernel_depth temporal_stride", "C3D", "windows have a depth", "Pooling here is of images"
    ),
    **_changing(
        "ROIPoolingParameter", "pad_ratio", "MS-CNN", "boxes are enlarged", "enlarge the boxes, and leave it out"
    ),
    **_changing("FillerParameter", "alpha", HN, "msra counts with it", "leave it out where weights come from a file"),
}


def fork_field(message: str, name: str) -> ForkField | None:
    """Return what is known of field `name` of a message type such as `PoolingParameter`; None if it is no fork's."""
    return FIELDS.get(f"{message}.{name}") or UNKNOWN.get(f"{message}.{name}")


def is_harmless(message: str, name: str) -> bool:
    """Whether results do not depend on the field: of engines none does, Caffe's own among them."""
    known = FIELDS.get(f"{message}.{name}")
    return name == "engine" or (known is not None and known.is_harmless)
