"""Lists of English words that the rules know, in small letters and without accents."""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    """The words of a list that is parted by white space."""
    return frozenset(text.split())


HEDGES: Final = _words(
    """
    no not nor never neither either or but wrong incorrect false untrue mistaken instead actually
    rather correction except unless unlike unknown unsure unclear doubt doubtful maybe perhaps
    possibly cannot although however versus vs
    """
)
"""Words that negate, correct or offer a choice."""

BEFORE_A_DATE: Final = _words(
    """
    a an the on in of at it he she they was is died dies death dead passed away day date year
    answer his her their exact that this monday tuesday wednesday thursday friday saturday sunday
    mon tue tues wed thu thur thurs fri sat sun
    """
)
"""Words that may come before a date and change nothing about it."""

AFTER_A_DATE: Final = _words(
    """
    minus plus add added subtract less later earlier next previous following prior survived survives
    survive recovered alive lived lives approximately approx circa roughly estimated presumably
    probably likely supposedly allegedly reportedly fictional dream calendar style hijri hijra
    islamic muslim hebrew jewish julian coptic ethiopian persian iranian jalali solar lunar chinese
    buddhist saka bikram sambat ah father mother son daughter wedding wed married marriage
    baptised baptized christened buried burial funeral again
    """
)
"""Words after a date that can move it, take it back or make it another event's."""

SPELLED_NUMBERS: Final = _words(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety
    hundred thousand first second third fourth fifth sixth seventh eighth ninth tenth eleventh
    twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth
    thirtieth ides eve
    """
)
"""Numbers, and two words for days, as people spell them."""

BIRTHS: Final = _words("born birth birthday birthdate")
"""Words that make a date another one than that of a death."""

AROUND_A_NAME: Final = _words(
    """
    the a an is was of city town capital name named called current currently its it his her he she
    they that answer this
    """
)
"""Words that may stand around a name and change nothing about it."""

ARTICLES: Final = _words("a an the")

WHOSE: Final = _words("of his her its their your my our")
"""Words that right before a name can make it a place's or a title, such as city of Miller."""

PLACES: Final = _words("city town capital village street county")
"""Words that after a name can make it a place's, such as Miller city."""

AFTER_A_NAME: Final = _words(
    "in at by for since has been served serves elected took office became who which as "
    "last year years"
)
"""Words that change nothing after a name; before it they can tell of somebody else."""

OTHER_ROLES: Final = _words(
    """
    deputy vice acting former ex late interim captain judge minister premier commissioner alderman
    secretary ambassador father mother brother sister uncle aunt saint st king queen prince princess
    don senor senora herr frau monsieur
    """
)
"""Words that beside a name can be a title or say that somebody else is meant."""

TITLES: Final = _words(
    """
    mayor mayoress mr mrs ms miss mx dr prof professor sir dame lord lady madam madame mister hon
    honorable honourable rev reverend president governor chancellor chairman chairwoman senator
    councillor councilman councilwoman
    """
)
"""Words before a name that are no part of it."""

SUFFIXES: Final = _words(
    """
    jr junior sr senior ii iii iv phd md esq
    """
)
"""Words after a name that are no part of it, but can tell two people apart."""
