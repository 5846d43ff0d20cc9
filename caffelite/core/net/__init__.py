"""Net: from a prototxt to layers that run; see docs/design.md."""
