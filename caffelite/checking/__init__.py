"""Nets and solvers looked over without their data: every error and warning at once, each with its line."""
