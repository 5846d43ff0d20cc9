import pytest

from caffelite.core.prototxt.other_language import other_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ('{\n "name": "x" }', "JSON"),
        ('[{"type": "ReLU"}]', "JSON"),
        ("---\nname: x", "YAML"),
        ("name: x\nlayers:\n  - name: conv1\n    type: Convolution\n", "YAML"),
        ("net:\n  depth: 3\n", "YAML"),
        ("model:\n  layers:\n    - conv\n", "YAML"),
        ("--- a/x.prototxt\n+++ b/x.prototxt\n@@ -1 +1 @@\n", "a patch, as diff writes them"),
        ("#!/bin/bash\ncaffe train\n", "a shell script"),
        ('syntax = "proto2";\npackage caffe;\n', "a schema, as caffe.proto is one"),
        ("404: Not Found", "what a server wrote instead of the file"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n",
            "a pointer of Git LFS (git lfs pull fetches the file)",
        ),
        ("# my net\nimport torch\n", "a Python program"),
        ("#!/usr/bin/env python\nprint(1)\n", "a Python program"),
        ('"""A net."""\n', "a Python program"),
        ("x = 3\nfrom caffe import layers as L\n", "a Python program"),
        ("class Net(Module):\n  pass", "a Python program"),
        ("n = caffe.NetSpec()\n", "a Python program"),
        ("\n<!DOCTYPE html>\n<html>", "HTML"),
        ('<?xml version="1.0"?>', "XML"),
        ("[net]\nbatch=1\n", "an INI or TOML file, such as Darknet's .cfg"),
    ],
)
def test_other_languages_are_called_what_they_are(text, language):
    assert other_language(text) == language


@pytest.mark.parametrize(
    "text",
    [
        'name: "import x"\n# def f(x):\nlayer: { name: "a" }\n',
        "input_param:\n  shape { dim: 1 }",
        "layer {\n  top: (1)\n}",
        "- x",
        "",
    ],
)
def test_prototxt_with_or_without_mistakes_is_not(text):
    assert other_language(text) == ""
