import pytest

from caffelite.core.layer import LAYERS, layer_type_list
from caffelite.core.prototxt.forks import FIELDS, UNKNOWN, fork_field, is_harmless
from caffelite.proto import caffe_pb2

FORKS = 10000  # numbers from here on are not Caffe's
OURS = {
    "PriorBoxParameter.whole_sizes",
    "Datum.labels",
    "HDF5DataParameter.prefetch",
    "ImageDataParameter.label_count",
    "SolverState.resume",
    "TransformationParameter.augmentation",
    "LayerParameter.own_fields",
    *(f"SolverParameter.{name}" for name in ("early_stopping", "best_snapshot", "lr_plateau", "lr_piece", "lr_warmup")),
}
MESSAGES = caffe_pb2.DESCRIPTOR.message_types_by_name


def added_fields():
    """Fields that Caffe's own messages have beyond Caffe's: neither ours nor messages of layers that forks added."""
    for message, descriptor in MESSAGES.items():
        for field in descriptor.fields:
            name = f"{message}.{field.name}"
            is_message_of_a_layer = (
                message in ("LayerParameter", "V1LayerParameter")
                and field.name.endswith("_param")
                and field.number < 10100
            )
            if field.number >= FORKS and name not in OURS and not is_message_of_a_layer:
                yield name


def readers(name):
    """Classes of layers that read the message which the field is in."""
    message = name.partition(".")[0]
    homes = [
        field.name
        for field in caffe_pb2.LayerParameter.DESCRIPTOR.fields
        if field.message_type is not None and field.message_type.name == message
    ]
    kinds = [kind.layer_class for layer_type in layer_type_list() for kind in LAYERS[layer_type]]
    return [one for one in kinds if set(homes).intersection(one.messages or ())]


def test_every_field_that_forks_added_is_read_harmless_or_refused():
    layers_own = {"NormalizeParameter.fix_scale"}  # of a layer that only forks have
    assert set(added_fields()) - layers_own == set(FIELDS)


@pytest.mark.parametrize("name", sorted(name for name, field in FIELDS.items() if field.by_layers))
def test_fields_that_are_left_to_layers_have_readers(name):
    """That each of them reads the field or says that it does not is a test of every layer."""
    assert readers(name)


def test_what_the_schema_has_is_not_listed_as_unknown():
    for name in UNKNOWN:
        message, _, field = name.partition(".")
        assert field not in MESSAGES[message].fields_by_name


def test_each_says_whose_it_is_and_what_to_do():
    for field in {**FIELDS, **UNKNOWN}.values():
        assert field.whose and field.does and field.is_harmless == (not field.instead)


def test_engines_are_harmless_everywhere():
    assert is_harmless("PoolingParameter", "engine") and is_harmless("LayerParameter", "engine")
    assert not is_harmless("PoolingParameter", "ceil_mode") and not is_harmless("PoolingParameter", "pool")
    assert fork_field("PoolingParameter", "pool") is None
