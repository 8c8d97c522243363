"""Helpers that read a report of Snakemake without a browser."""

import base64
import json
import re
from urllib.parse import unquote_to_bytes

FETCHED = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*?(?:src|href)=["']?(?!data:)([^"'\s>\\]+)"""
)


def variable(page, name):
    """Return the value of a variable that the scripts of the page use."""
    start = re.search(rf'<script id="[\w-]+">\s*var {name} = ', page).end()
    return json.JSONDecoder().raw_decode(page, start)[0]


def content(uri):
    """Return the media type and the bytes of a data URI."""
    head, _, body = uri.removeprefix("data:").partition(",")
    raw = base64.b64decode(body) if head.endswith(";base64") else unquote_to_bytes(body)
    return head.partition(";")[0], raw
