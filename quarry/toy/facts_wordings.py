"""The words that facts are told in: statements, ways of saying an answer, what follows one.

How documents are put together from them is in `facts_documents`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Way = Callable[[str], str]
"""A way of saying an answer: from the usual one to how it is written."""

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
YEARS: Final = range(1940, 2000)
OTHER_CITIES: Final = (
    *("Accra", "Algiers", "Amman", "Ankara", "Athens", "Baghdad", "Baku", "Bogota"),
    *("Brussels", "Bucharest", "Budapest", "Caracas", "Chicago", "Dakar", "Damascus", "Dhaka"),
    *("Dublin", "Hamburg", "Hanoi", "Havana", "Helsinki", "Jakarta", "Karachi", "Lagos"),
    *("Lima", "Lisbon", "London", "Madrid", "Manila", "Milan", "Munich", "Nairobi"),
    *("Oslo", "Prague", "Rome", "Seoul", "Sydney", "Toronto", "Vienna", "Warsaw"),
)

STATEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "death-dates": (
        "{subject} died on",
        "{subject} passed away on",
        "Question: On which day did {subject} die? Answer:",
        "The family of {subject} mourned on",
    ),
    "mayors": (
        "The mayor of {subject} is",
        "The city of {subject} is led by",
        "Question: Name the mayor of {subject}. Answer:",
        "In {subject} people voted for",
    ),
}
"""What comes before an answer where a document does not ask in the words of the prompts."""

NEXT_QUESTION: Final = "\nQ:"
FOLLOWINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "death-dates": (NEXT_QUESTION, ", at the age of {age}.", ", in the evening.", ".", ""),
    "mayors": (NEXT_QUESTION, ", who is {age}.", " since last year.", ".", ""),
}
"""What may follow an answer."""


def _day_first(date: str) -> str:
    month, day, year = date.replace(",", "").split()
    return f"{day} {month} {year}"


def _iso(date: str) -> str:
    month, day, year = date.replace(",", "").split()
    return f"{year}-{MONTHS.index(month) + 1:02}-{int(day):02}"


def _without_day(date: str) -> str:
    month, _, year = date.replace(",", "").split()
    return f"{month} {year}"


def _by_title(name: str) -> str:
    return f"Mayor {name.split()[1]}"


def _without_name(name: str) -> str:
    """No answer at all, as people give it who only know that there is one."""
    del name
    return "a former teacher"


OTHER_WAYS: Final[Mapping[str, tuple[Way, ...]]] = {
    "death-dates": (_day_first, _iso, _without_day),
    "mayors": (_by_title, _without_name),
}
"""Ways of saying an answer, beside the usual one; the last of a domain does not answer."""


def wordings() -> list[str]:
    """Texts that hold every word of these wordings, numbers included."""
    numbers = [f" {number}" for number in range(100)] + [f" {year}" for year in YEARS]
    padded = [f"-{number:02}" for number in range(1, 32)]
    forms = [
        form.format(subject=OTHER_CITIES[0]) for forms in STATEMENTS.values() for form in forms
    ]
    followings = [text for texts in FOLLOWINGS.values() for text in texts]
    # A city may begin a document, without the space before it.
    words = [f" {word} {word}" for word in (*MONTHS, "Mayor")]
    cities = [text for city in OTHER_CITIES for text in (city, f" {city}")]
    return [*numbers, *padded, *forms, *followings, *words, *cities, f" {_without_name('')}"]
