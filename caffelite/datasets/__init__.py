"""Public data sets as databases: `caffelite dataset NAME`."""

from caffelite.datasets.catalogue import DATASETS, command_for, fetch, make, make_if_included, records_of

__all__ = ["DATASETS", "command_for", "fetch", "make", "make_if_included", "records_of"]
