"""Parts of an address that identify: street, place, postal code.

An address is written in lines or components (`^`, `,`, `;`, line ends). A part with a number or a
word for a street is a street; a number before or behind a place is its postal code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .folding import fold, is_unspaced, spellings, squeezed, words

_SEPARATORS = re.compile(r"[\^,;=\\\r\n\t\f|]+")
_STREETS = {
    "strasse": "str",
    "street": "st",
    "avenue": "ave",
    "road": "rd",
    "drive": "dr",
    "lane": "ln",
    "boulevard": "blvd",
    "square": "sq",
    "court": "ct",
}
_OTHER_STREETS = """
weg gasse allee platz ring damm ufer steig chaussee promenade rue via viale piazza calle plaza
avenida rua praca laan straat gata gatan vej way place close crescent terrace
"""
_STREET_ENDINGS = (*_STREETS, *_STREETS.values(), *_OTHER_STREETS.split())
_GENERIC = frozenset(
    [
        "street",
        "road",
        "avenue",
        "house",
        "apartment",
        "flat",
        "building",
        "room",
        "floor",
        "germany",
        "deutschland",
        "austria",
        "oesterreich",
        "osterreich",
        "switzerland",
        "schweiz",
        "suisse",
        "france",
        "italia",
        "italy",
        "espana",
        "spain",
        "nederland",
        "belgium",
        "belgique",
        "england",
        "kingdom",
        "united",
        "states",
        "america",
        "canada",
        "china",
        "japan",
        "india",
        "city",
        "town",
        "stadt",
        "north",
        "south",
        "east",
        "west",
        "nord",
        "sued",
        "ost",
        "central",
        "upper",
        "lower",
        "head",
        "left",
        "right",
        "unknown",
    ]
)
_POSTAL = re.compile(
    r"(?<![^\W_])(?:[a-z]{1,3}-)?(\d{5,6}(?:-\d{4})?|\d{3}-?\d{4}|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}"
    r"|\d{4} ?[a-z]{2}|[a-z]\d[a-z] ?\d[a-z]\d)(?![^\W_])"
)
_UNITS_OF_EAST_ASIA = re.compile(r"[^都道府県市区町村郡省시도구동]+[都道府県市区町村郡省시도구동]")
_HOUSE_NUMBER = re.compile(r"\d+\s*[a-z]?(?:\s*[-/+]\s*\d+\s*[a-z]?)?")
_SHORTEST_PHRASE = 5


@dataclass
class AddressParts:
    """What to look for, squeezed.

    Attributes:
        phrases: Streets with and without a house number, places of several words.
        places: Single words, found as whole words.
        codes: Postal codes.
    """

    phrases: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def learn(self, address: str) -> None:
        """Adds the parts of an address."""
        for part in _SEPARATORS.split(address):
            if part.strip():
                self._learn_part(part.strip())

    def _learn_part(self, part: str) -> None:
        folded = fold(part).text
        codes = {squeezed(code) for code in _POSTAL.findall(folded)}
        self.codes |= codes
        self._phrase(part)
        if is_unspaced(folded):
            self.phrases |= {unit for unit in _UNITS_OF_EAST_ASIA.findall(folded) if len(unit) > 1}
        kept = [word for word in words(part) if squeezed(fold(word).text) not in codes]
        named = [word for word in kept if not _HOUSE_NUMBER.fullmatch(fold(word).text)]
        if not named:
            return
        endings = {fold(word).text for word in named}
        numbered = len(named) < len(kept) and not codes
        street = numbered or any(
            word.endswith(_STREET_ENDINGS) and (word in _STREET_ENDINGS or len(word) > 6)
            for word in endings
        )
        self._phrase(" ".join(named))
        if street:
            return
        for word in named:
            for spelling in spellings(word):
                if len(spelling) >= 4 and spelling not in _GENERIC and not spelling.isdigit():
                    self.places.add(spelling)

    def _phrase(self, text: str) -> None:
        for spelling in spellings(text):
            ways = {spelling}
            for long, short in _STREETS.items():
                ways.add(re.sub(rf"{long}(?=\d|$)", short, spelling))
                ways.add(re.sub(rf"(?<=[^\W\d]{{3}}){short}(?=\d|$)", long, spelling))
            for way in ways:
                if len(way) >= _SHORTEST_PHRASE and not way.isdigit() and way not in _GENERIC:
                    self.phrases.add(way)
