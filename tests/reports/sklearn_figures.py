"""Prints figures of scikit-learn (1.9.1), which test_metrics.py compares with and which it does not need.

python tests/reports/sklearn_figures.py > tests/reports/sklearn_figures.json
"""

import json

import numpy as np

CLASSES, ITEMS, BINS = 12, 600, 15


def example():
    """Return labels and scores of a poor classifier; class 11 is never a label."""
    random = np.random.RandomState(1)  # its stream never changes
    labels = random.randint(0, CLASSES - 1, ITEMS)
    scores = random.normal(size=(ITEMS, CLASSES))
    scores[np.arange(ITEMS), labels] += 2 * random.uniform(size=ITEMS)
    return labels, scores


def figures(labels, scores):
    """Return the figures by name."""
    from sklearn import metrics
    from sklearn.calibration import calibration_curve

    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    predicted, classes = scores.argmax(axis=1), list(range(CLASSES))
    of_class = metrics.precision_recall_fscore_support
    one_by_one = of_class(labels, predicted, labels=classes, zero_division=0)
    accuracy, confidence = calibration_curve(predicted == labels, probabilities.max(axis=1), n_bins=BINS)
    return {
        "confusion": metrics.confusion_matrix(labels, predicted, labels=classes).tolist(),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "top_5": metrics.top_k_accuracy_score(labels, scores, k=5, labels=classes),
        "log_loss": metrics.log_loss(labels, probabilities, labels=classes),
        "classes": [values.tolist() for values in one_by_one],
        "macro": of_class(labels, predicted, average="macro", zero_division=0)[:3],
        "weighted": of_class(labels, predicted, average="weighted", zero_division=0)[:3],
        "bin_accuracy": accuracy.tolist(),
        "bin_confidence": confidence.tolist(),
    }


if __name__ == "__main__":
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in figures(*example()).items()]
    print("{", ",\n".join(lines), "}", sep="\n")
