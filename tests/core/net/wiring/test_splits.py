import pytest

from caffelite.core.errors import NetError
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.splits import insert_splits
from caffelite.core.prototxt.parse import parse_net


def default_loss_weights(layer):
    if not layer.type.endswith("Loss"):
        return []
    return [1.0, 0.0] if layer.type == "SoftmaxWithLoss" and len(layer.top) == 2 else [1.0]


def drafted(text):
    return Draft.of(*parse_net(text, "f"))


def split(text):
    """Return the net with Splits, and check that doing it again changes nothing."""
    once = insert_splits(drafted(text), default_loss_weights)
    assert insert_splits(once, default_loss_weights) == once
    return once


def layer(name, kind, bottoms="", tops="", more=""):
    blobs = [f'bottom: "{blob}"' for blob in bottoms.split()] + [f'top: "{blob}"' for blob in tops.split()]
    return f'layer {{ name: "{name}" type: "{kind}" {" ".join(blobs)} {more} }}\n'


def assert_becomes(text, expected):
    assert split(text).message() == parse_net(expected, "f")[0]


DATA = layer("data", "Data", "", "data label")

UNCHANGED = {
    "chain": DATA + layer("ip", "InnerProduct", "data", "ip") + layer("loss", "SoftmaxWithLoss", "ip label"),
    "split by hand": DATA
    + layer("s", "Split", "data", "d1 d2")
    + layer("ip1", "InnerProduct", "d1", "ip1")
    + layer("ip2", "InnerProduct", "d2", "ip2")
    + layer("loss", "EuclideanLoss", "ip1 ip2"),
    "in place": DATA
    + layer("ip", "InnerProduct", "data", "ip")
    + layer("relu", "ReLU", "ip", "ip")
    + layer("drop", "Dropout", "ip", "ip")
    + layer("loss", "SoftmaxWithLoss", "ip label", "loss"),
    "weights nobody else uses": layer("d", "Data", "", "a b", "loss_weight: 1 loss_weight: 10"),
    "weight zero": DATA
    + layer("loss", "SoftmaxWithLoss", "data label", "loss", "loss_weight: 0")
    + layer("p", "Power", "loss", "p"),
}


@pytest.mark.parametrize("name", UNCHANGED)
def test_no_insertion(name):
    assert_becomes(UNCHANGED[name], UNCHANGED[name])


INSERTED = {
    "three readers": (
        """
        data Data -> data label
        ip1 InnerProduct data -> ip1
        ip2 InnerProduct data -> ip2
        ip3 InnerProduct data -> ip3
        loss1 EuclideanLoss ip1 ip2 ->
        loss2 EuclideanLoss ip2 ip3 ->
        """,
        """
        data Data -> data label
        data_data_0_split Split data -> data_data_0_split_0 data_data_0_split_1 data_data_0_split_2
        ip1 InnerProduct data_data_0_split_0 -> ip1
        ip2 InnerProduct data_data_0_split_1 -> ip2
        ip2_ip2_0_split Split ip2 -> ip2_ip2_0_split_0 ip2_ip2_0_split_1
        ip3 InnerProduct data_data_0_split_2 -> ip3
        loss1 EuclideanLoss ip1 ip2_ip2_0_split_0 ->
        loss2 EuclideanLoss ip2_ip2_0_split_1 ip3 ->
        """,
    ),
    "two tops": (
        """
        data Data -> data label
        ip1 InnerProduct data -> ip1
        ip2 InnerProduct data -> ip2
        loss1 EuclideanLoss ip1 label ->
        loss2 EuclideanLoss ip2 label ->
        """,
        """
        data Data -> data label
        data_data_0_split Split data -> data_data_0_split_0 data_data_0_split_1
        label_data_1_split Split label -> label_data_1_split_0 label_data_1_split_1
        ip1 InnerProduct data_data_0_split_0 -> ip1
        ip2 InnerProduct data_data_0_split_1 -> ip2
        loss1 EuclideanLoss ip1 label_data_1_split_0 ->
        loss2 EuclideanLoss ip2 label_data_1_split_1 ->
        """,
    ),
    "in place": (
        """
        data Data -> data label
        ip1 InnerProduct data -> ip1
        relu1 ReLU ip1 -> ip1
        ip2 InnerProduct ip1 -> ip2
        loss1 EuclideanLoss ip1 label ->
        loss2 EuclideanLoss ip2 data ->
        """,
        """
        data Data -> data label
        data_data_0_split Split data -> data_data_0_split_0 data_data_0_split_1
        ip1 InnerProduct data_data_0_split_0 -> ip1
        relu1 ReLU ip1 -> ip1
        ip1_relu1_0_split Split ip1 -> ip1_relu1_0_split_0 ip1_relu1_0_split_1
        ip2 InnerProduct ip1_relu1_0_split_0 -> ip2
        loss1 EuclideanLoss ip1_relu1_0_split_1 label ->
        loss2 EuclideanLoss ip2 data_data_0_split_1 ->
        """,
    ),
}


def layers(lines):
    """Layers of lines `name type bottoms -> tops`."""
    text = ""
    for line in lines.strip().splitlines():
        read, tops = line.split("->")
        name, kind, *bottoms = read.split()
        text += layer(name, kind, " ".join(bottoms), tops)
    return text


@pytest.mark.parametrize("case", INSERTED)
def test_insertion(case):
    before, after = INSERTED[case]
    state = 'state { level: 3 } name: "n"'
    assert_becomes(state + layers(before), state + layers(after))


def test_loss_weight_of_an_inner_layer():
    assert_becomes(
        DATA
        + layer("innerproduct1", "InnerProduct", "data", "innerproduct1", "loss_weight: 2.5")
        + layer("loss", "EuclideanLoss", "innerproduct1 label"),
        DATA
        + layer("innerproduct1", "InnerProduct", "data", "innerproduct1")
        + layer(
            "innerproduct1_innerproduct1_0_split",
            "Split",
            "innerproduct1",
            "innerproduct1_innerproduct1_0_split_0 innerproduct1_innerproduct1_0_split_1",
            "loss_weight: 2.5 loss_weight: 0",
        )
        + layer("loss", "EuclideanLoss", "innerproduct1_innerproduct1_0_split_1 label"),
    )


def test_weights_of_other_tops_stay():
    text = layer("slice", "Slice", "data", "a b", "loss_weight: 1 loss_weight: 10") + layer("p", "Power", "a", "p")
    assert_becomes(
        DATA + text,
        DATA
        + layer("slice", "Slice", "data", "a b", "loss_weight: 0 loss_weight: 10")
        + layer("a_slice_0_split", "Split", "a", "a_slice_0_split_0 a_slice_0_split_1", "loss_weight: [1, 0]")
        + layer("p", "Power", "a_slice_0_split_1", "p"),
    )


def test_of_two_tops_of_a_loss_only_the_weighted_one_is_split():
    assert_becomes(
        DATA
        + layer("l", "SoftmaxWithLoss", "data label", "loss prob")
        + layer("s", "Silence", "prob")
        + layer("p", "Power", "loss", "p"),
        DATA
        + layer("l", "SoftmaxWithLoss", "data label", "loss prob", "loss_weight: [0, 0]")
        + layer("loss_l_0_split", "Split", "loss", "loss_l_0_split_0 loss_l_0_split_1", "loss_weight: [1, 0]")
        + layer("s", "Silence", "prob")
        + layer("p", "Power", "loss_l_0_split_1", "p"),
    )


VALUE = 4.5  # of the loss below, and of the Power on it


@pytest.mark.parametrize(
    ("weight", "power", "total", "names"),
    [
        ("", None, 4.5, ["l"]),
        ("loss_weight: 1", None, 4.5, ["l"]),
        ("", "", 4.5, ["l_l_0_split_0", "p"]),
        ("", "loss_weight: 10", 49.5, ["l_l_0_split_0", "p"]),
        ("loss_weight: 1", "", 4.5, ["l_l_0_split_0", "p"]),
        ("loss_weight: 1", "loss_weight: 10", 49.5, ["l_l_0_split_0", "p"]),
        ("loss_weight: 0.5", "", 2.25, ["l_l_0_split_0", "p"]),
    ],
)
def test_each_weighted_value_counts_once(weight, power, total, names):
    text = DATA + layer("l", "EuclideanLoss", "data label", "l", weight)
    net = split(text if power is None else text + layer("p", "Power", "l", "p", power)).message()
    weights = {
        top: weight
        for one in net.layer
        for top, weight in zip(one.top, one.loss_weight or default_loss_weights(one), strict=False)
    }
    assert sum(weights.values()) * VALUE == total
    read = {blob for one in net.layer for blob in one.bottom}
    assert [top for one in net.layer for top in one.top if top not in read] == names


def test_a_bad_number_of_weights_is_left_for_its_error():
    net = split(
        DATA + layer("p", "Power", "data", "p", "loss_weight: [1, 2]") + layer("q", "Power", "p", "q")
    ).message()
    assert list(net.layer[1].loss_weight) == [0, 2]


def test_a_split_stands_where_its_producer_stands():
    draft = split(DATA + layer("a", "ReLU", "data", "a") + layer("b", "ReLU", "data", "b"))
    assert [draft.where(i) for i in range(4)] == ["f:1: ", "f:1: ", "f:2: ", "f:3: "]


def test_unknown_bottom():
    message = r"^f:2: Unknown bottom blob 'dta' \(layer 'a', bottom index 0\); did you mean \"data\"\? layer"
    with pytest.raises(NetError, match=message):
        split(DATA + layer("a", "ReLU", "dta", "a"))


@pytest.mark.parametrize(
    ("more", "elsewhere"),
    [
        (layer("ip", "InnerProduct", "data", "ip") + layer("r", "ReLU", "data", "data"), 'layer "ip" (f:2) reads it'),
        (layer("r", "Eltwise", "data data", "data"), "it has another use"),
    ],
)
def test_in_place_on_a_blob_with_another_use(more, elsewhere):
    with pytest.raises(NetError) as caught:
        split(DATA + more)
    text = str(caught.value)
    assert "Top blob 'data' produced by multiple sources. Layer \"r\" works in place on it, but " in text
    assert f"but {elsewhere}, too; give this top another name" in text
