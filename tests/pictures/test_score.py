import numpy as np

from caffelite.pictures.score import backward_from_score


def test_the_gradient_of_the_best_score_before_the_softmax_is_that_of_finite_differences(net):
    image = np.random.default_rng(1).normal(size=(2, 1, 6, 5))
    net.forward(x=image)
    best = int(net.blobs["s2"].data[0].argmax())
    assert backward_from_score(net) == f"s2[{best}]"
    gradient = net.blobs["x"].diff.copy()
    assert not gradient[1].any()
    for place in [(0, 0, 2, 2), (0, 0, 5, 4)]:
        scores = []
        for step in (-1e-2, 1e-2):
            moved = image.copy()
            moved[place] += step
            net.forward(x=moved)
            scores.append(float(net.blobs["s2"].data[0, best]))
        np.testing.assert_allclose(gradient[place], (scores[1] - scores[0]) / 2e-2, rtol=1e-3)


def test_a_net_with_a_loss_is_differentiated_from_that(make_net):
    net = make_net(
        'layer { name: "x" type: "DummyData" top: "x" dummy_data_param { shape { dim: 1 dim: 2 } '
        'data_filler { type: "constant" value: 3 } } }\n'
        'layer { name: "sum" type: "Reduction" bottom: "x" top: "sum" loss_weight: 2 '
        "reduction_param { operation: SUMSQ } }\nforce_backward: true\n"
    )
    net.forward()
    assert backward_from_score(net) == "the loss"
    np.testing.assert_array_equal(net.blobs["x"].diff, [[12, 12]])
