"""The two tokenisers that the language models need."""

from __future__ import annotations

import functools
import re
import unicodedata


class WordPiece:
    """BERT's: lower case without accents, words and marks apart, longest known piece first."""

    def __init__(self, vocabulary_file):
        with open(vocabulary_file, encoding="utf8") as file:
            self.number = {line.rstrip("\n"): i for i, line in enumerate(file)}

    def _pieces(self, word):
        begin, pieces = 0, []
        while begin < len(word):
            for end in range(len(word), begin, -1):
                piece = ("##" if begin else "") + word[begin:end]
                if piece in self.number:
                    pieces.append(piece)
                    begin = end
                    break
            else:
                return ["[UNK]"]
        return pieces

    def encode(self, text: str) -> list[int]:
        plain = unicodedata.normalize("NFD", text.lower())
        plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
        pieces = [p for word in re.findall(r"\w+|[^\w\s]", plain) for p in self._pieces(word)]
        return [self.number[p] for p in ["[CLS]", *pieces, "[SEP]"]]


class BytePairs:
    """GPT-2's byte-level pair encoding, with digits one by one as SmolLM2 has them; the split is right for ASCII."""

    _SPLIT = re.compile(r"'(?:s|t|re|ve|m|ll|d)| ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]+|\s+(?!\S)|\s+")

    def __init__(self, tokens: list[str], merges: list[str]):
        self.tokens = tokens
        self.number = {token: i for i, token in enumerate(tokens)}
        self.rank = {tuple(pair.split(" ")): i for i, pair in enumerate(merges)}
        special = sorted((t for t in tokens if re.fullmatch(r"<\|.*\|>", t)), key=len, reverse=True)
        self.special = re.compile("(" + "|".join(map(re.escape, special)) + ")")
        # Bytes that print stand for themselves, the others for letters from 256 on.
        printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
        others = [b for b in range(256) if b not in set(printing)]
        self.letter = {b: chr(b) for b in printing} | {b: chr(256 + i) for i, b in enumerate(others)}
        self.byte = {letter: b for b, letter in self.letter.items()}

    @functools.lru_cache(maxsize=4096)  # noqa: B019
    def _word(self, word: str) -> tuple[int, ...]:
        parts = [self.letter[b] for b in word.encode()]
        while len(parts) > 1:
            ranks = [self.rank.get(pair, len(self.rank)) for pair in zip(parts, parts[1:])]
            at = min(range(len(ranks)), key=ranks.__getitem__)
            if ranks[at] == len(self.rank):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.number[p] for p in parts)

    def encode(self, text: str) -> list[int]:
        numbers = []
        for part in self.special.split(text):
            if self.special.fullmatch(part):
                numbers.append(self.number[part])
            else:
                # A digit never takes the blank before it.
                for chunk in re.split(r"(\d)", part):
                    for word in self._SPLIT.findall(chunk):
                        numbers.extend(self._word(word))
        return numbers

    def decode(self, numbers) -> str:
        letters = "".join(self.tokens[n] for n in numbers)
        return bytes(self.byte[c] for c in letters if c in self.byte).decode("utf8", "replace")
