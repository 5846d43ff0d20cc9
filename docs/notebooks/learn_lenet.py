# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # LeNet learns, step by step
#
# A small LeNet, written in Python, trained on the handwritten digits that come with caffelite, and looked at while it
# learns. `pip install 'caffelite[notebooks]'` installs what this needs; it takes half a minute.

# %%
import matplotlib.pyplot as plt
import numpy as np

import caffelite as caffe
from caffelite import examples
from caffelite import layers as L
from caffelite import params as P
from caffelite.inspection.statistics import Statistics

caffe.set_random_seed(1)

# %% [markdown]
# ## The net
#
# Each line names a top and the layer that makes it. `str(net)` is the prototxt that Caffe reads, too. The two
# databases are made from the shipped digits when a net first reads them.


# %%
def lenet(part, batch):
    n = caffe.NetSpec()
    n.data, n.label = L.Data(
        source=f"data/digits_{part}_lmdb",
        backend=P.Data.LMDB,
        batch_size=batch,
        transform_param=dict(scale=1 / 256),
        ntop=2,
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.conv2 = L.Convolution(n.pool1, kernel_size=5, num_output=50, weight_filler=dict(type="xavier"))
    n.pool2 = L.Pooling(n.conv2, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool2, num_output=64, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n.to_proto()


for part, batch in (("train", 64), ("test", 360)):
    with open(f"lenet_{part}.prototxt", "w") as file:
        file.write(str(lenet(part, batch)))

# %% [markdown]
# ## The solver

# %%
with open("solver.prototxt", "w") as file:
    file.write("""
        train_net: "lenet_train.prototxt"
        test_net: "lenet_test.prototxt"
        test_iter: 1
        test_interval: 1000000  # never: this notebook tests by itself
        base_lr: 0.02 momentum: 0.9 weight_decay: 0.0005
        lr_policy: "inv" gamma: 0.0001 power: 0.75
        max_iter: 1000
        random_seed: 1
    """)
solver = caffe.get_solver("solver.prototxt")
solver.net.summary()

# %% [markdown]
# ## Before the first step
#
# A pass through both nets: the first eight digits, their labels, and a loss near log(10) = 2.3, that of guessing.

# %%
solver.net.forward()
solver.test_nets[0].forward()
print("loss", solver.net.blobs["loss"].data, "in training,", solver.test_nets[0].blobs["loss"].data, "in testing")
print("labels", solver.net.blobs["label"].data[:8].astype(int))
figure, axis = plt.subplots(figsize=(8, 1.2), layout="constrained")
axis.imshow(solver.net.blobs["data"].data[:8, 0].transpose(1, 0, 2).reshape(28, -1), cmap="gray")
axis.axis("off")
plt.show()

# %% [markdown]
# ## One step
#
# `step(1)` runs forward, backward and the update. After it the diff of each parameter is the update that was
# subtracted. The filters of `conv1` are still random; their first update is not.

# %%
solver.step(1)
before = solver.net.params["conv1"][0].data.copy()
update = solver.net.params["conv1"][0].diff.copy()


def draw_filters(filters, title):
    figure, axes = plt.subplots(2, 10, figsize=(10, 2.4), layout="constrained")
    limit = np.abs(filters).max()
    for axis, kernel in zip(axes.flat, filters[:, 0], strict=True):
        axis.imshow(kernel, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axis.axis("off")
    figure.suptitle(f"{title} (darkest: {limit:.2g})")


draw_filters(before, "conv1's filters at the start")
draw_filters(update, "what the first step subtracted")

# %% [markdown]
# ## 400 steps
#
# The loss of each batch, the accuracy on the 360 digits that are kept for testing, and what the net thinks of eight of
# them. `Statistics` notes, every 50 steps, how large each update is beside its weights.

# %%
STEPS, EVERY = 400, 10
watched = Statistics(solver, every=50)
losses, accuracies, scores = np.zeros(STEPS), [], []
test = solver.test_nets[0]
for step in range(STEPS):
    if step % EVERY == 0:
        test.forward()
        accuracies.append((test.blobs["score"].data.argmax(axis=1) == test.blobs["label"].data).mean())
        scores.append(test.blobs["score"].data[:8].copy())
    solver.step(1)
    losses[step] = solver.net.blobs["loss"].data

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.5), layout="constrained")
left.semilogy(losses, color="C0", linewidth=0.8)
left.set(xlabel="step", ylabel="loss of the batch")
other = left.twinx()
other.plot(np.arange(0, STEPS, EVERY), accuracies, color="C1")
other.set_ylabel("accuracy in testing")
left.set_title(f"accuracy {accuracies[-1]:.3f} after {STEPS} steps")
for blob in ("conv1[0]", "conv2[0]", "ip1[0]", "score[0]"):
    ratios = [table.of("update")[blob].ratio for table in watched.tables.values()]
    right.semilogy(watched.tables.keys(), ratios, "o-", label=blob)
right.set(xlabel="step", ylabel="norm of the update / norm of the weights", title="how fast the weights move")
right.legend()
plt.show()

# %% [markdown]
# ## Eight digits, as the net sees them
#
# Each column is a moment, each row a class: the probability, from the first test to the last.

# %%
figure, axes = plt.subplots(2, 8, figsize=(14, 4), height_ratios=[1, 2], layout="constrained")
for number, (above, below) in enumerate(axes.T):
    above.imshow(test.blobs["data"].data[number, 0], cmap="gray")
    above.axis("off")
    values = np.exp(np.array(scores)[:, number].T)
    below.imshow(values / values.sum(axis=0), aspect="auto", cmap="gray_r", extent=(0, STEPS, 9.5, -0.5))
    below.set(xlabel="step", yticks=range(10))

# %% [markdown]
# ## What it has learnt
#
# The filters now, and what they make of a digit: edges in several directions.

# %%
draw_filters(solver.net.params["conv1"][0].data, "conv1's filters now")

# %%
test.show("activations", "conv1")

# %% [markdown]
# ## What it gets wrong

# %%
test.forward()
wrong = np.nonzero(test.blobs["score"].data.argmax(axis=1) != test.blobs["label"].data)[0]
figure, axes = plt.subplots(1, max(len(wrong), 2), figsize=(1.3 * max(len(wrong), 2), 1.7), layout="constrained")
for axis in axes:
    axis.axis("off")
for axis, number in zip(axes, wrong, strict=False):
    axis.imshow(test.blobs["data"].data[number, 0], cmap="gray")
    label, said = test.blobs["label"].data[number], test.blobs["score"].data[number].argmax()
    axis.set_title(f"{label:.0f}, says {said}")

# %% [markdown]
# ## Keep it
#
# `save` writes a caffemodel, `snapshot` also all that is needed to go on later. `examples.lenet()` is such a net with
# 600 steps behind it.

# %%
solver.net.save("lenet.caffemodel")
trained = examples.lenet()
images, labels = examples.digits()
trained.blobs["data"].reshape(*images.shape)
print(
    "ours:", accuracies[-1], "the shipped one:", (trained.forward(data=images)["prob"].argmax(axis=1) == labels).mean()
)
assert accuracies[-1] > 0.95 and losses[-20:].mean() < 0.2
