"""Nets as pictures: layers as nodes, blobs with their shapes as edges, repeated blocks in boxes."""
