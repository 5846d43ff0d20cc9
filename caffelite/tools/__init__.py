"""What Caffe's programs in tools/ and its scripts do, each a function; the commands of the same names call them."""
