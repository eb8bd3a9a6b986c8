"""Names that someone may give to a partition, a file or an object, and that should do no harm."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np

from tests.soak.corpus import drawn

KNOWN = (
    "", " ", ".", "..", "...", "/", "//", "a", "A", "a/b", "a/", "/a", "a//b", "a/./b", "a/../b",
    "../a", "../../a", "a/..", "..\\a", "a\\b", "\\", "C:\\a", "~", "~root", "~/a", "-", "--help",
    "-rf", "a.", "a ", " a", "a.h5", "a.json", "a,v", "a,d", "a,v,d", "a,v/b", "a,d/b", "a,v,d/b",
    "a,v/00000001-0123456789ab.json/x", "a,v/z.json/x", "a,v/.data.by-x.upload", "a,v/b,v", ",v",
    "objects", ".a", ".hidden/x", "$(id)", "`id`", "${HOME}", "$HOME", "%", "%2e%2e%2f", "%2e%2e",
    "%2F", "a%2Fb", "a%00b", "a%0Ab", "100%", "%zz", "a+b", "a b", "a%20b", "a%2Bb", "a?b", "a#b",
    "a&b=c", "a;b", "a:b", "a*", "a[0]", "a|b", "|", "a,b", ",", "a'b", 'a"b', "<a>", "a@b", "a=b",
    "a\0b", "\0", "a\nb", "a\rb", "a\r\nX-Evil: 1", "a\tb", "\x1b[31m", "a\x7fb", "a\x85b", "\x01",
    "con", "nul", "aux.h5", "x" * 100, "x" * 101, "x" * 250, "x" * 251, "x" * 300, "y" * 5000,
    "/".join("x" * 50 for _ in range(20)), "/".join("x" * 50 for _ in range(30)), "é", "e\u0301",
    "É", "E\u0301", "\u212b", "\u00c5", "A\u030a", "ß", "SS", "ss", "\u0130", "\u0131", "ﬁ", "fi",
    "\u200b", "a\u200b", "a\u200db", "\u202ea", "a\u2028b", "\ufeff", "\ufeffa", "\u3000", "😀",
    "👩\u200d🔬", "東京", "क्षि", "\u0430", "1", "\u0663", "\uff11", "a\ud800", "\udcff",
    "\U0010ffff",
    "gsm8k", "gsm8k-0shot", "gsm8k-00shot", "gsm8k-0000shot", "gsm8k-\u0660shot",
    "gsm8k-\uff10shot", "gsm8k--1shot", "gsm8k-+1shot", "gsm8k-1_0shot", "gsm8k-10shot",
    "gsm8k-1shot\n", "gsm8k-" + "9" * 80 + "shot", "gsm8k-" + "9" * 5000 + "shot", "gsm8k-0shot|m",
    "m|gsm8k-0shot",
    "gsm8k-0shot|../m", "gsm8k-0shot|/m", "gsm8k-0shot|m|x", "../gsm8k-0shot|m", "gsm8k-00shot|m",
    "gsm8k-\u0660shot|m", "gsm8k-0shot|M", "gsm8k-0shot|m ", "gsm8k-0shot|m.", "gsm8k-0shot|",
    "a.v1", "a-0shot", "a-0shot-0shot", "0", "00",
)  # fmt: skip
_JOINTS = ("", "/", "|", "-", ".", "..", ",v", ",d", "/../", "%2F", " ", "\n", "\0", "\u0301")


def hostile_names(n: int, seed: int, outside: Path) -> list[str]:
    """`n` different names: the known ones, absolute ones, and random compositions of them.

    Args:
        n: how many.
        seed: of the compositions.
        outside: a folder that absolute and climbing names aim at.
    """
    aimed = [str(outside / "absolute"), f"{outside}/x.h5", f"../{outside.name}/climbed",
             f"../../{outside.name}/climbed", f"a/../../../{outside.name}/climbed",
             f"gsm8k-0shot|{outside}/m", f"gsm8k-0shot|../../../{outside.name}/m"]  # fmt: skip
    made = dict.fromkeys([*aimed, *KNOWN])
    rng = np.random.default_rng([seed, 20])
    while len(made) < n:
        name = f"{drawn(rng, KNOWN)}{drawn(rng, _JOINTS)}{drawn(rng, KNOWN)}"
        form = drawn(rng, [None, None, "NFC", "NFD", "NFKC"])
        made[name if form is None else unicodedata.normalize(form, name)] = None
    # The known ones are spread over the list, so that fewer names are of all kinds, too.
    names = list(made)
    return [names[index] for index in rng.permutation(len(names))[:n]]
