"""What several layers need: windows, labels, normalizers, the base of convolutions and of recurrent layers."""
