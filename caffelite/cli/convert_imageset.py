"""`caffelite convert_imageset`: a database of the images that a list names. Source: tools/convert_imageset.cpp."""

from __future__ import annotations

from pathlib import Path

from caffelite.cli.command import Arguments, command
from caffelite.cli.counting import counting
from caffelite.cli.flags import boolean, int32, string
from caffelite.cli.options import BACKEND

GRAY = boolean("gray", "Read the images as grey, with one channel.")
SHUFFLE = boolean("shuffle", "Put the images in random order, another one each time.")
RESIZE_WIDTH = int32("resize_width", 0, "Width to resize to, with --resize_height; 0 keeps the images' sizes.")
RESIZE_HEIGHT = int32("resize_height", 0, "Height to resize to, with --resize_width; 0 keeps the images' sizes.")
CHECK_SIZE = boolean("check_size", "Refuse images that have not as many values as the first.")
ENCODED = boolean("encoded", "Store files as they are, or encoded again where they are resized; not their pixels.")
ENCODE_TYPE = string("encode_type", "", "Kind to encode as, such as png or jpg; the files' own without it.")
LABEL_COUNT = int32(
    "label_count", 0, "Labels on each line, numbers; without it the last word, a whole number, as in Caffe."
)


@command(
    "convert_imageset",
    "make a database of the images in a list",
    flags=(GRAY, SHUFFLE, BACKEND, RESIZE_WIDTH, RESIZE_HEIGHT, CHECK_SIZE, ENCODED, ENCODE_TYPE, LABEL_COUNT),
    positionals="ROOTFOLDER/ LISTFILE DB",
)
def convert_imageset(arguments: Arguments) -> None:
    r"""Make the database DB, a new folder, of the images that LISTFILE names.

    A line of LISTFILE is `path label`; ROOTFOLDER/, with its slash, is put before the path. Images that cannot be
    read are named in the log and left out. For example, with cat.jpg and dog.jpg in the folder pets:

      printf 'cat.jpg 0\ndog.jpg 1\n' > train.txt
      caffelite convert_imageset --resize_height=256 --resize_width=256 pets/ train.txt pets_lmdb

    With --label_count=3 a line is `path label label label`, and Data layers give labels of shape (N, 3); Caffe sees the
    first.
    """
    from caffelite.tools.convert_imageset import Options, convert_imageset

    root, list_file, database = arguments.positionals
    options = Options(
        gray=arguments[GRAY],
        shuffle=arguments[SHUFFLE],
        backend=arguments[BACKEND],
        resize_width=arguments[RESIZE_WIDTH],
        resize_height=arguments[RESIZE_HEIGHT],
        check_size=arguments[CHECK_SIZE],
        encoded=arguments[ENCODED],
        encode_type=arguments[ENCODE_TYPE],
        label_count=arguments[LABEL_COUNT],
    )
    with counting("images") as progress:
        convert_imageset(root, Path(list_file), Path(database), options, progress)
