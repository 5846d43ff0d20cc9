"""Intrinsics: vectors, pointers, masks and functions written in LLVM's language."""
