"""Rules: what the values and gradients of each layer class are the sum of. A new file here is found by itself."""
