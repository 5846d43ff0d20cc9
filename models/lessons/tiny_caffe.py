"""Caffe in 200 lines of numpy: reads a prototxt, trains the net that it describes. For reading, not for speed.

python tiny_caffe.py tiny_caffe/solver.prototxt digits.npz (images: N x 8 x 8, 0 to 16; labels: N; 360 for testing)
"""

import ast
import re
import sys
from pathlib import Path

import numpy as np

TOKEN = re.compile(r'#[^\n]*|"([^"]*)"|([\w.+-]+)|([{}])')


def parse(text):
    """Return a prototxt as a dict of lists: {"layer": [{"name": ["conv1"], ...}, ...]}."""
    messages, field = [{}], None
    for token in TOKEN.finditer(text):
        string, word, brace = token.groups()
        if brace == "{":
            messages.append({})
            messages[-2].setdefault(field, []).append(messages[-1])
            field = None
        elif brace == "}":
            messages.pop()
        elif field is None:
            field = word  # None again for a comment
        elif string is not None or word:
            number = word and re.match(r"[-.\d]", word)  # enums and booleans stay words
            messages[-1].setdefault(field, []).append(ast.literal_eval(word) if number else word or string or "")
            field = None
    return messages[0]


def get(message, field, default=None):
    """Return the last value of a field."""
    return message[field][-1] if field in message else default


def im2col(images, kernel, stride, pad):
    """Return the windows of images (N, C, H, W) as (N, C * kernel * kernel, H' * W'), and H', W'."""
    images = np.pad(images, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    num, channels, height, width = images.shape
    rows, cols = (height - kernel) // stride + 1, (width - kernel) // stride + 1
    columns = np.empty((num, channels, kernel, kernel, rows, cols))
    for i, j in np.ndindex(kernel, kernel):
        columns[:, :, i, j] = images[:, :, i : i + stride * rows : stride, j : j + stride * cols : stride]
    return columns.reshape(num, -1, rows * cols), rows, cols


def col2im(columns, shape, kernel, stride, pad):
    """Return images of `shape` in which each pixel is the sum of its copies in the columns."""
    num, channels, height, width = shape
    images = np.zeros((num, channels, height + 2 * pad, width + 2 * pad))
    rows, cols = (images.shape[2] - kernel) // stride + 1, (images.shape[3] - kernel) // stride + 1
    columns = columns.reshape(num, channels, kernel, kernel, rows, cols)
    for i, j in np.ndindex(kernel, kernel):
        images[:, :, i : i + stride * rows : stride, j : j + stride * cols : stride] += columns[:, :, i, j]
    return images[:, :, pad : pad + height, pad : pad + width]


class Layer:
    """forward: bottom to top. backward: top gradient to bottom gradient, and `diffs`, the gradients of `params`."""

    field, weight_shape = "", None

    def __init__(self, message, bottom_shape, random):
        self.param, self.params, self.diffs = get(message, self.field, {}), [], []
        self.window = [get(self.param, *pair) for pair in (("kernel_size", 1), ("stride", 1), ("pad", 0))]
        if self.weight_shape:
            shape = self.weight_shape(bottom_shape)
            limit = np.sqrt(3 / np.prod(shape[1:]))  # the filler "xavier"
            self.params = [random.uniform(-limit, limit, shape), np.zeros(shape[0])]
        given = message.get("param", []) + [{}] * 2
        self.mults = [(get(param, "lr_mult", 1), get(param, "decay_mult", 1)) for param in given[: len(self.params)]]
        self.history = [0 * values for values in self.params]


class Convolution(Layer):
    """Weights times the columns of each sample."""

    field = "convolution_param"

    def weight_shape(self, shape):
        return get(self.param, "num_output"), shape[1], self.window[0], self.window[0]

    def forward(self, bottom):
        self.shape = bottom.shape
        self.columns, height, width = im2col(bottom, *self.window)
        weight, bias = self.params
        top = weight.reshape(len(weight), -1) @ self.columns + bias[:, np.newaxis]
        return top.reshape(len(bottom), len(weight), height, width)

    def backward(self, top_diff):
        rows = self.params[0].reshape(len(self.params[0]), -1)
        diff = top_diff.reshape(*top_diff.shape[:2], -1)
        weight_diff = (diff @ self.columns.transpose(0, 2, 1)).sum(0)
        self.diffs = [weight_diff.reshape(self.params[0].shape), diff.sum((0, 2))]
        return col2im(rows.T @ diff, self.shape, *self.window)


class InnerProduct(Layer):
    """Weights times each sample."""

    field = "inner_product_param"

    def weight_shape(self, shape):
        return get(self.param, "num_output"), int(np.prod(shape[1:]))

    def forward(self, bottom):
        self.bottom = bottom
        return bottom.reshape(len(bottom), -1) @ self.params[0].T + self.params[1]

    def backward(self, top_diff):
        self.diffs = [top_diff.T @ self.bottom.reshape(len(self.bottom), -1), top_diff.sum(0)]
        return (top_diff @ self.params[0]).reshape(self.bottom.shape)


class Pooling(Layer):
    """The largest value of each window; backward, the gradient goes to the first that was largest."""

    field = "pooling_param"

    def forward(self, bottom):
        self.shape, (kernel, stride, _) = bottom.shape, self.window
        assert get(self.param, "pool", "MAX") == "MAX" and (bottom.shape[2] - kernel) % stride == 0
        columns, height, width = im2col(bottom.reshape(-1, 1, *bottom.shape[2:]), *self.window)
        self.columns, self.rows = columns, columns.argmax(1)[:, np.newaxis]
        return np.take_along_axis(columns, self.rows, 1).reshape(*bottom.shape[:2], height, width)

    def backward(self, top_diff):
        columns = np.zeros(self.columns.shape)
        np.put_along_axis(columns, self.rows, top_diff.reshape(self.rows.shape), 1)
        return col2im(columns, (len(columns), 1, *self.shape[2:]), *self.window).reshape(self.shape)


class ReLU(Layer):
    """What is below zero becomes zero."""

    def forward(self, bottom):
        self.positive = bottom > 0
        return bottom * self.positive

    def backward(self, top_diff):
        return top_diff * self.positive


class Net:
    """A chain of layers from an Input to a SoftmaxWithLoss; `step` learns by SGD with momentum and weight decay."""

    def __init__(self, text, seed=1):
        first, *middle, last = parse(text)["layer"]
        assert (get(first, "type"), get(last, "type")) == ("Input", "SoftmaxWithLoss")
        random, blob, self.layers = (
            np.random.default_rng(seed),
            np.zeros(first["input_param"][0]["shape"][0]["dim"]),
            {},
        )
        kinds = {kind.__name__: kind for kind in Layer.__subclasses__()}
        for message in middle:
            layer = self.layers[get(message, "name")] = kinds[get(message, "type")](message, blob.shape, random)
            blob = layer.forward(blob)

    def scores(self, data):
        for layer in self.layers.values():
            data = layer.forward(data)
        return data

    def loss(self, data, label):
        scores = self.scores(data)
        prob = np.exp(scores - scores.max(1, keepdims=True))
        prob /= prob.sum(1, keepdims=True)
        loss = -np.log(prob[np.arange(len(label)), label]).mean()
        diff = (prob - np.eye(prob.shape[1])[label]) / len(label)
        for layer in reversed(self.layers.values()):
            diff = layer.backward(diff)
        return loss

    def step(self, solver, data, label):
        assert get(solver, "lr_policy") == "fixed"
        loss, rate, momentum = self.loss(data, label), get(solver, "base_lr"), get(solver, "momentum", 0)
        for layer in self.layers.values():
            for i, (lr_mult, decay_mult) in enumerate(layer.mults):
                gradient = layer.diffs[i] + get(solver, "weight_decay", 0) * decay_mult * layer.params[i]
                layer.history[i] = momentum * layer.history[i] + rate * lr_mult * gradient
                layer.params[i] -= layer.history[i]
        return loss


if __name__ == "__main__":
    solver, digits = parse(Path(sys.argv[1]).read_text()), np.load(sys.argv[2])
    net = Net((Path(sys.argv[1]).parent / get(solver, "net")).read_text(), get(solver, "random_seed", 1))
    images, labels = digits["images"][:, np.newaxis] / 16, digits["labels"]
    for iteration in range(get(solver, "max_iter")):
        chosen = np.arange(64 * iteration, 64 * iteration + 64) % (len(labels) - 360)
        loss = net.step(solver, images[chosen], labels[chosen])
        if iteration % get(solver, "display") == 0:
            print(f"Iteration {iteration}, loss = {loss:.6g}")
    print(f"accuracy = {(net.scores(images[-360:]).argmax(1) == labels[-360:]).mean():.4f}")
