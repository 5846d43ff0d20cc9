"""Prototxt files written by programs, as a person writes them."""
