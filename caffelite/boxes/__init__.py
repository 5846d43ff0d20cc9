"""Boxes that nets find in images: of SSD-like nets, and of MTCNN's three nets in a row; and pictures of them."""
