"""Every command of the guide does what the guide says, one page after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.b2_server import B2Server
from tests.guide.following import Follower
from tests.guide.pages import blocks, index
from tests.guide.place import copy_tree, environment
from tests.guide.terminal import Terminal

PART_BYTES = 5_000_000


@pytest.mark.slow
@pytest.mark.timeout(5400)
def test_whoever_follows_the_guide_sees_what_it_says(tmp_path: Path):
    tree, variables = copy_tree(tmp_path), environment(tmp_path)
    with B2Server("my-bucket", PART_BYTES, PART_BYTES) as bucket:
        stand_ins = {"key_id": bucket.key_id, "key": bucket.key, "realm": bucket.url}
        for number, page in enumerate(index()):
            # the first page clones; all others begin in the checkout
            with Terminal(tree if number else tmp_path, variables) as terminal:
                follower = Follower(terminal, tree, stand_ins)
                for block in blocks(page):
                    follower.follow(block)
                    assert follower.wrong == [], "\n\n".join(follower.wrong)
