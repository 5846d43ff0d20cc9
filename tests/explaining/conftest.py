"""Nets that ran, and a browser that opens pages; a request to any network fails the test."""

import json
import re

import numpy as np
import pytest
from google.protobuf import text_format

import caffelite
from caffelite.core.layer import Context
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.explaining.content import content_of
from caffelite.explaining.page import html_of
from caffelite.explaining.passes import pin
from caffelite.explaining.versions import without_in_place
from caffelite.proto import caffe_pb2


def explained_net(text, phase=caffelite.TEST):
    """Return the net of a prototxt, no layer in place and all blobs pinned, and what its new blobs are."""
    param = text_format.Parse(text, caffe_pb2.NetParameter())
    draft, origins = without_in_place(Draft.of(with_caller_state(param, phase)))
    net = caffelite.Net.from_draft(draft, Context(seed=3))
    pin(net)
    return net, origins


@pytest.fixture(scope="session")
def make_net():
    """Make a net: make_net(prototxt text, phase) -> (net, origins)."""
    return explained_net


@pytest.fixture(scope="session")
def content():
    """Return what a page shows: content(net, origins, differentiated, limits)."""
    return content_of


def content_in(html):
    """Return the data of a page."""
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', html, re.DOTALL)
    return json.loads(text)


@pytest.fixture(scope="session")
def data_of():
    """Return the data in the text of a page: data_of(html) -> dict."""
    return content_in


@pytest.fixture
def open_page(chromium, tmp_path):
    """Open a page: open_page(html or path) -> playwright's page. Errors, and requests to a network, fail the test."""
    wrong = []
    contexts = []

    def open_it(html, **options):
        path = html
        if isinstance(html, str):
            path = tmp_path / "page.html"
            path.write_text(html, encoding="utf-8")
        context = chromium.new_context(viewport={"width": 1440, "height": 1000}, **options)
        contexts.append(context)
        page = context.new_page()

        def route(way):
            if way.request.url == path.resolve().as_uri():
                way.continue_()
            else:
                wrong.append(f"request: {way.request.url}")
                way.abort()

        page.route("**/*", route)
        page.on("console", lambda message: wrong.append(f"console: {message.type} {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.goto(path.resolve().as_uri())
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def html():
    """Return a page: html(content) -> text."""
    return lambda content, title="a net": html_of(content, title, "a file")


def read_floats(content, number, count):
    """Return the array of a page's content; -1 stands for zeros."""
    import base64

    if number < 0:
        return np.zeros(count, np.float32)
    return np.frombuffer(base64.b64decode(content["arrays"][number]), "<f4")


@pytest.fixture(scope="session")
def floats():
    """Return the array with a number: floats(content, number, count)."""
    return read_floats
