"""Layer types of forks that are not here: what they are, so that nobody is sent to another layer of a like name.

A type that is registered is never looked up here. Sources: the forks' layer factories.
"""

from __future__ import annotations

_SSD, _NV, _INTEL, _YOLO, _FLOW = "SSD", "NVIDIA", "Intel", "YOLO (eric612)", "FlowNet"
_RFCN, _DEEPLAB, _HN, _CTC, _RCNN = "R-FCN", "DeepLab", "happynear", "warp-ctc", "Faster R-CNN"
_C3D, _XILINX, _RISTRETTO, _MSCNN, _MNC = "C3D", "Xilinx", "Ristretto", "MS-CNN", "MNC"
_TRAINING = "only training needs it: leave it out of a net for use"

# type -> whose it is, and what it does
TYPES: dict[str, tuple[str, str]] = {
    "MultiBoxLoss": (_SSD, f"the loss of boxes and classes; {_TRAINING}"),
    "AnnotatedData": (_SSD, f"images and boxes from an LMDB; {_TRAINING}"),
    "DetectionEvaluate": (_SSD, f"precision and recall of boxes; {_TRAINING}"),
    "VideoData": ("SSD's and C3D", "frames of a camera or video; write an Input layer and fill it"),
    "SmoothL1Loss": ("Fast R-CNN's and SSD", f"the loss of boxes; {_TRAINING}"),
    "SmoothL1LossOHEM": (_RFCN, f"the loss of boxes; {_TRAINING}"),
    "SoftmaxWithLossOHEM": (_RFCN, f"SoftmaxWithLoss with the loss of each item; {_TRAINING}"),
    "SoftmaxLossOHEM": (_RFCN, f"SoftmaxWithLoss with the loss of each item; {_TRAINING}"),
    "BoxAnnotatorOHEM": (_RFCN, f"it picks the boxes that are learned from; {_TRAINING}"),
    "FocalLoss": (_RFCN, f"a cross entropy that counts easy items less; {_TRAINING}"),
    "SigmoidFocalLoss": (_RFCN, f"a cross entropy that counts easy items less; {_TRAINING}"),
    "PSROIAlign": (_RFCN, "position-sensitive means of samples in boxes"),
    "DeformableConvolution": (_RFCN, "a convolution whose windows are displaced by a bottom"),
    "DeformablePSROIPooling": (_RFCN, "PSROIPooling whose bins are displaced by a bottom"),
    "RegionLoss": (_YOLO, f"YOLO v2's loss; {_TRAINING}"),
    "Yolov3": (_YOLO, f"YOLO v3's loss; {_TRAINING}"),
    "YoloSeg": (_YOLO, f"a loss of segmentation; {_TRAINING}"),
    "SegmentationEvaluate": (_YOLO, f"figures of a segmentation; {_TRAINING}"),
    "AssistedExcitation": (_YOLO, f"it helps YOLO learn; {_TRAINING}"),
    "BoxData": (_YOLO, f"images and boxes from an LMDB; {_TRAINING}"),
    "LaneData": (_YOLO, f"images and lanes; {_TRAINING}"),
    "EvalDetection": (_INTEL, f"figures of YOLO's boxes; {_TRAINING}"),
    "MnActivation": (_INTEL, "it hands values between machines; leave it out"),
    "MnParamGrad": (_INTEL, "it hands gradients between machines; leave it out"),
    "DetectNetTransformation": (_NV, f"images and coverage of boxes for DetectNet; {_TRAINING}"),
    "TRT": (_NV, "a net of TensorRT inside of the net; take the net as it was before TensorRT"),
    "L1Loss": (f"{_FLOW}'s and NVIDIA", f"sum of absolute differences; {_TRAINING}"),
    "Correlation": (_FLOW, "products of patches of two images at all displacements"),
    "Correlation1D": (_FLOW, "products of patches of two images along a row"),
    "FlowWarp": (_FLOW, "an image displaced pixel by pixel"),
    "ChannelNorm": (_FLOW, "lengths over channels; write Power, Reduction and Power layers"),
    "Resample": (_FLOW, "images in another size; Interp is alike where corners lie on corners"),
    "Accum": (_FLOW, f"sums over batches; {_TRAINING}"),
    "Mean": (_FLOW, f"a running mean image; {_TRAINING}"),
    "LpqLoss": (_FLOW, f"sums of powers of differences; {_TRAINING}"),
    "DataAugmentation": (_FLOW, f"random changes of images; {_TRAINING}"),
    "FlowAugmentation": (_FLOW, f"random changes of flows; {_TRAINING}"),
    "GenerateAugmentationParameters": (_FLOW, f"random changes of images; {_TRAINING}"),
    "CustomData": (_FLOW, f"its own databases; {_TRAINING}"),
    "FloWriter": (_FLOW, "it writes flows to files; leave it out, and write the blob's data"),
    "ImgReader": (_FLOW, "it reads an image; write an Input layer and fill it"),
    "SegAccuracy": (_DEEPLAB, f"figures of a segmentation; {_TRAINING}"),
    "ImageSegData": (_DEEPLAB, f"images and label images from lists; {_TRAINING}"),
    "DenseImageData": ("SegNet", f"images and label images from lists; {_TRAINING}"),
    "WeightedSoftmaxWithLoss": ("SegNet", f"SoftmaxWithLoss with weights of classes; {_TRAINING}"),
    "DenseCRF": (_DEEPLAB, "a conditional random field over the pixels"),
    "DomainTransform": (_DEEPLAB, "a filter that keeps edges"),
    "BiasChannel": (_DEEPLAB, f"channels raised where labels are; {_TRAINING}"),
    "AdaptiveBiasChannel": (_DEEPLAB, f"channels raised where labels are; {_TRAINING}"),
    "UniqueLabel": (_DEEPLAB, f"labels that an image has; {_TRAINING}"),
    "MatRead": (_DEEPLAB, "it reads Matlab files; write an Input layer and fill it"),
    "MatWrite": (_DEEPLAB, "it writes Matlab files; leave it out, and write the blob's data"),
    "CtcLoss": (_CTC, f"the loss of label sequences; {_TRAINING}"),
    "WarpCTC": (_CTC, f"the loss of label sequences; {_TRAINING}"),
    "CTCLoss": (_CTC, f"the loss of label sequences; {_TRAINING}"),
    "LabelsequenceAccuracy": (_CTC, f"share of label sequences that are right; {_TRAINING}"),
    "CenterLoss": (_HN, f"distance to the centre of each class; {_TRAINING}"),
    "TripletLoss": (_HN, f"the loss of triplets; {_TRAINING}"),
    "LargeMarginInnerProduct": (_HN, f"a product with a margin; {_TRAINING}"),
    "MarginInnerProduct": (_HN, f"a product with a margin; {_TRAINING}"),
    "LabelSpecificAdd": (_HN, f"a margin at the label; {_TRAINING}"),
    "LabelSpecificMargin": (_HN, f"a margin at the label; {_TRAINING}"),
    "LabelSpecificRescale": (_HN, f"a margin at the label; {_TRAINING}"),
    "ChannelScale": (_HN, "channels times numbers; Scale does that"),
    "InnerDistance": (_HN, "distances to learned points"),
    "Insanity": (_HN, f"a ReLU with a random slope; {_TRAINING}"),
    "NormalizationL2": ("liu-xb", "rows of length 1; Normalize does that"),
    "SoftmaxCrossEntropyLoss": ("mixup", f"a loss of soft targets; {_TRAINING}"),
    "SeLuDropout": ("soeaver", "dropout for SeLu; at use it changes nothing: leave it out"),
    "ImResize": ("OpenPose", "images in another size"),
    "Nms": ("OpenPose", "peaks of maps"),
    "CPMData": ("OpenPose", f"images and poses; {_TRAINING}"),
    "SpatialTransformer": ("a", "an image turned and zoomed by a bottom"),
    "Local": (_HN, "a convolution with weights for each place"),
    "Hotspot": (_HN, f"maps with a spot at each landmark; {_TRAINING}"),
    "MultiLabelImageData": (_HN, f"images with several labels; {_TRAINING}"),
    "Convolution3D": (_C3D, "a convolution over time, height and width; Convolution does that with kernel_size thrice"),
    "Deconvolution3D": (_C3D, "a Deconvolution over time, height and width; Deconvolution does that alike"),
    "Pooling3D": (_C3D, "a Pooling over time, height and width"),
    "VideoWithVoxelTruthData": (_C3D, f"frames and a truth for each pixel; {_TRAINING}"),
    "FixedNeuron": (_XILINX, "values rounded to few bits; take the net as it was before Xilinx's tool"),
    "ConvolutionFixed": (_XILINX, "a convolution with rounded weights; write Convolution for unrounded ones"),
    "InnerProductFixed": (_XILINX, "an InnerProduct with rounded weights; write InnerProduct for unrounded ones"),
    "GSTiling": (_XILINX, "squares of pixels become channels, or with reverse channels squares of pixels"),
    "ConvolutionRistretto": (_RISTRETTO, "a convolution in few bits; write Convolution for one in float32"),
    "DeconvolutionRistretto": (_RISTRETTO, "a Deconvolution in few bits; write Deconvolution for one in float32"),
    "FcRistretto": (_RISTRETTO, "an InnerProduct in few bits; write InnerProduct for one in float32"),
    "LRNRistretto": (_RISTRETTO, "an LRN in few bits; write LRN for one in float32"),
    "BoxOutput": (_MSCNN, "boxes of several scales, the best of overlapping ones"),
    "BoxGroupOutput": (_MSCNN, "boxes of several scales, the best of overlapping ones"),
    "DecodeBBox": (_MSCNN, "boxes moved by the offsets of a bottom"),
    "ROIWarping": (_MNC, "bilinear samples of boxes"),
    "MaskResize": (_MNC, "masks in another size"),
    "MaskPooling": (_MNC, "features where a mask is on; Eltwise with PROD and a Tile of the mask do that"),
    "MultiStageMeanfield": ("CRF-RNN", "a conditional random field over the pixels"),
    "CTCGreedyDecoder": (_CTC, "the likeliest label at each step, without blanks and repetitions"),
    "SqueezeDetLoss": ("OpenCV's SqueezeDet", f"the loss of boxes and classes; {_TRAINING}"),
    "NormalizeBBox": ("a", "channels of each pixel to length 1, times a scale; Normalize does that"),
}

# modules and layers of Python that files of Faster R-CNN name
PYTHON_LAYERS: dict[str, tuple[str, str]] = {
    "AnchorTargetLayer": (_RCNN, f"labels and targets of anchors; {_TRAINING}"),
    "ProposalTargetLayer": (_RCNN, f"labels and targets of boxes; {_TRAINING}"),
    "RoIDataLayer": (_RCNN, f"images and boxes; {_TRAINING}"),
}

_CROP_OF_2014 = (
    "FCN's layer, whose offset followed from the layers between: write layer for layers in this net, and type: "
    '"Crop" with crop_param { offset: N }, the N that caffelite.coord_map.crop finds'
)

# What follows or precedes the name of a layer that is here without making it another layer: `ConvolutionLayer`.
_SAME = ("layer", "2d")


def is_another_layer(layer_type: str, known: str) -> bool:
    """Whether a type is the known one with a word more, as HSwish or Convolution3D: a layer that computes otherwise."""
    if layer_type.endswith(known) and layer_type != known:
        more = layer_type.removesuffix(known)
        return more.lower() not in _SAME and more != known[0]  # PPooling
    if layer_type.startswith(known) and layer_type != known:
        more = layer_type.removeprefix(known)
        return more.lower() not in _SAME and not more[0].islower()  # Poolings
    return False


def known_in_2014(word: str) -> str:
    """Return what a type of `layers` such as IMAGE_SEG_DATA is that only forks have, as known_elsewhere does."""
    if word == "CROP":
        return _CROP_OF_2014
    plain = word.replace("_", "")
    return next((known_elsewhere(name) for name in TYPES if name.upper() == plain), "")


def known_elsewhere(layer_type: str) -> str:
    """Return what a type is that only forks have, as `a layer of SSD's Caffe, ...`; "" if it is unknown."""
    whose, does = TYPES.get(layer_type) or PYTHON_LAYERS.get(layer_type) or ("", "")
    if not whose:
        return ""
    of = "a layer of a fork" if whose == "a" else f"a layer of {whose}'s Caffe"
    return f"{of}, which is not here: {does}"
