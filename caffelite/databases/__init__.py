"""What image databases and HDF5 files hold, for people to look at: `caffelite db`."""
