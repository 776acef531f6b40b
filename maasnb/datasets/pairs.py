"""Byte pairs: frequent neighbours joined into longer tokens, learnt by the `tokenizers` library.

A text is cut into pieces (words with the space before them), each piece into its bytes, and then
the pair that was learnt first is joined, again and again (Sennrich et al., 2016). No text is
unknown, because every byte is a token. What was learnt is a list of pairs, plain data, and is
applied here in Python, so that a server needs no library for it.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence

from maasnb.errors import missing_package

__all__ = ["ALPHABET", "learn_pairs", "pieces_of", "split_piece"]

PIECE = re.compile(r" ?\w{1,32}| ?[^\w\s]{1,32}|\s{1,32}")
"""A piece is short, so that no text makes joining slow."""
ALPHABET = tuple(chr(byte) if 32 < byte < 127 else chr(256 + byte) for byte in range(256))
"""The letter that stands for each byte: itself where it can be seen."""


def pieces_of(text: str) -> Iterator[str]:
    """Yield the pieces of a text, each as letters that stand for its bytes.

    >>> list(pieces_of("Ja, ja"))
    ['Ja', ',', 'Ġja']
    """
    for found in PIECE.finditer(text):
        yield "".join([ALPHABET[byte] for byte in found[0].encode("utf-8", "surrogatepass")])


def learn_pairs(texts: Sequence[str], vocab: int) -> tuple[tuple[str, str], ...]:
    """Return the pairs to join, in the order in which they were learnt.

    Args:
        texts: the training texts.
        vocab: how many tokens there may be, the 256 bytes among them.

    Raises:
        MissingPackageError: `tokenizers` is not installed.
    """
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415 - only learning needs it
        from tokenizers.models import BPE  # noqa: PLC0415 - likewise
        from tokenizers.trainers import BpeTrainer  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise missing_package("Learning byte pairs", "tokenizers", "tokens") from error
    tokenizer = Tokenizer(BPE())
    trainer = BpeTrainer(vocab_size=vocab, initial_alphabet=list(ALPHABET), show_progress=False)
    # Without a splitter of its own the library takes each item as one piece.
    tokenizer.train_from_iterator((piece for text in texts for piece in pieces_of(text)), trainer)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    pairs = (merge.split(" ") if isinstance(merge, str) else merge for merge in merges)
    return tuple((str(one), str(other)) for one, other in pairs)


def split_piece(piece: str, ranks: Mapping[tuple[str, str], int]) -> list[str]:
    """Return the tokens of a piece.

    >>> split_piece("aab", {("a", "b"): 0, ("a", "ab"): 1})
    ['aab']
    """
    parts = list(piece)
    while len(parts) > 1:
        pairs = itertools.pairwise(parts)
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        parts = _joined(parts, best)
    return parts


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    """Return the parts with each occurrence of a pair joined, from the left."""
    joined, place = [], 0
    while place < len(parts):
        both = tuple(parts[place : place + 2]) == pair
        joined.append(parts[place] + parts[place + 1] if both else parts[place])
        place += 2 if both else 1
    return joined
