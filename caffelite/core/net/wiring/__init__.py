"""From a net's message to its plan: pure functions over messages, each doing one thing and testable alone."""
