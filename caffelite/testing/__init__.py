"""Helpers to test layers, for caffelite's own tests and for users who write layers."""

from caffelite.testing.golden import assert_agrees, run_golden
from caffelite.testing.gradient_check import check_gradient
from caffelite.testing.layers import blob_of, layer_from, run_backward, run_forward, set_up, spread_values

__all__ = [
    "assert_agrees",
    "blob_of",
    "check_gradient",
    "layer_from",
    "run_backward",
    "run_forward",
    "run_golden",
    "set_up",
    "spread_values",
]
