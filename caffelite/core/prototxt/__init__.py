"""Text -> message: prototxt files with the line of every field, upgrades of old files, and did-you-mean."""
