"""Weight and state files."""
