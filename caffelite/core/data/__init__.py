"""Where images come from: databases, records, transformation and reading ahead."""
