"""Numba loops on arrays; they know nothing of layers, blobs or messages."""
