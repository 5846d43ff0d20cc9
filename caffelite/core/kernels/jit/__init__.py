"""How kernels are compiled, kept on disk and run on threads; all use of numba's private parts."""
