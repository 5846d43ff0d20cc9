from caffelite.explaining.passes import Differentiated, run_backward

INPUT = 'force_backward: true layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 } } }\n'
RELU = 'layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }\n'
SOFTMAX = 'layer { name: "prob" type: "Softmax" bottom: "x" top: "p" }\n'
LOSS = 'layer { name: "sum" type: "Reduction" bottom: "x" top: "s" loss_weight: 2 }\n'


def ran(make_net, text):
    net, origins = make_net(text)
    net.blobs["x"].data[...] = [[1, 7, 3]]
    net.forward()
    return net, run_backward(net, origins)


def test_the_best_score_is_differentiated(make_net):
    net, found = ran(make_net, INPUT + RELU + SOFTMAX)
    assert found == Differentiated("x[1]", "x (relu)", 1)
    assert net.blobs["x"].diff.tolist() == [[0, 1, 0]]


def test_a_score_that_another_layer_reads_too(make_net):
    text = INPUT + RELU + 'layer { name: "q" type: "Silence" bottom: "x" }\n' + SOFTMAX
    net, found = ran(make_net, text)
    assert (found.words, found.blob) == ("x[1]", "x (relu)")
    assert net.blobs["x"].diff.tolist() == [[0, 1, 0]]


def test_a_loss_is_differentiated(make_net):
    net, found = ran(make_net, INPUT + RELU + LOSS)
    assert (found.words, found.blob) == ("the loss", "")
    assert net.blobs["x"].diff.tolist() == [[2, 2, 2]]
