"""The explain page: one HTML file in which every value and gradient of a net is taken apart, from a pass just made.

`caffelite explain` writes it. content.py turns a net that ran into plain data, page.py puts that into web/'s files.
"""
