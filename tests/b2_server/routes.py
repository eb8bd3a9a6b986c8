"""From a method and a path to the operation that they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote_plus, urlsplit

from tests.b2_server.refusals import Refusal

JSON_PATH = re.compile(r"/b2api/(?P<version>v[1-4])/b2_(?P<operation>\w+)")
FILE_PATH = re.compile(r"/file/(?P<bucket>[^/]+)/(?P<name>.+)")
UPLOAD_PATH = re.compile(r"/upload/(?P<what>file|part)/\d+")


@dataclass(frozen=True)
class Route:
    """An operation and what the path says about its object."""

    operation: str
    version: str = ""
    file_id: str = ""
    bucket_name: str = ""
    name: str = ""

    @property
    def is_upload(self) -> bool:
        return self.operation.startswith("upload_")

    @property
    def is_download(self) -> bool:
        return self.operation.startswith(("download_", "head_"))


def find_route(method: str, path: str) -> Route:
    """The route of a request; one without operation where the service has none."""
    url = urlsplit(path)
    verb = "head" if method == "HEAD" else "download"
    if match := FILE_PATH.fullmatch(url.path):
        name = unquote_plus(match["name"])
        return Route(f"{verb}_file_by_name", bucket_name=match["bucket"], name=name)
    if match := UPLOAD_PATH.fullmatch(url.path):
        return Route(f"upload_{match['what']}")
    match = JSON_PATH.fullmatch(url.path)
    if match is None:
        return Route("unknown")
    if match["operation"] == "download_file_by_id":
        file_id = parse_qs(url.query).get("fileId", [""])[0]
        return Route(f"{verb}_file_by_id", version=match["version"], file_id=file_id)
    return Route(match["operation"], version=match["version"])


def no_such_operation(path: str) -> Refusal:
    return Refusal(404, "not_found", f"no operation at {path}")
