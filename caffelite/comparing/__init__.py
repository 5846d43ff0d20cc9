"""Two nets compared: their fields, their weights, and what they make of one image."""
