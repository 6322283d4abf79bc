"""Search among binary codes: what differs in the fewest bits from a query."""

import numpy as np


class HammingIndex:
    """Binary codes, packed into words, that can be searched.

    A comparison is one XOR and one count of bits for each 64 bits of a code, so that
    tens of thousands of codes are searched in a millisecond or so.

    Args:
        codes: Array (num_codes, num_bits) of 0 and 1.

    Raises:
        ValueError: If `codes` are not a matrix of 0 and 1.

    Example:
    >>> index = HammingIndex(codes)  # (60000, 32)
    >>> neighbors, distances = index.search(codes[:1], num_neighbors=10)
    >>> neighbors[0, 0], distances[0, 0]
    (0, 0)
    """

    def __init__(self, codes):
        self.words = pack_bits(codes)
        self.num_bits = np.shape(codes)[1]

    def distances(self, query):
        """Returns the bits in which codes differ from one query, (num_codes,).

        Args:
            query: Array (num_bits,) of 0 and 1.
        """
        return self._distances(self._pack(np.asarray(query)[None])[0])

    def search(self, queries, num_neighbors=10):
        """Returns the codes nearest to queries, and their distances in bits.

        Of equal distances those of lower index come first.

        Args:
            queries: Array (num_queries, num_bits) of 0 and 1.
            num_neighbors: Integer; `None`: all codes, in order.

        Returns:
            Integer arrays (num_queries, num_neighbors): indices, and distances.

        Raises:
            ValueError: If queries have other bits than codes, or there are fewer codes
                than neighbors.
        """
        count = len(self.words) if num_neighbors is None else num_neighbors
        if not 1 <= count <= len(self.words):
            raise ValueError(
                f"`num_neighbors` must be from 1 to {len(self.words)}, the number of "
                f"codes. Received: {num_neighbors}"
            )
        found = [self._search(query, count) for query in self._pack(queries)]
        indices, distances = zip(*found, strict=True)
        return np.array(indices), np.array(distances)

    def _search(self, query, count):
        distances = self._distances(query)
        # The radius of the last neighbor, from how many codes there are at each.
        within = np.cumsum(np.bincount(distances, minlength=self.num_bits + 1))
        radius = np.searchsorted(within, count)
        near = np.flatnonzero(distances <= radius)
        nearest = near[np.argsort(distances[near], kind="stable")[:count]]
        return nearest, distances[nearest]

    def _distances(self, query):
        return np.bitwise_count(self.words ^ query).sum(axis=1, dtype="int64")

    def _pack(self, queries):
        words, num_bits = pack_bits(queries), np.shape(queries)[1]
        if num_bits != self.num_bits:
            raise ValueError(
                f"`queries` must have {self.num_bits} bits, as the codes have. "
                f"Received: {num_bits}"
            )
        return words


def pack_bits(codes):
    """Returns codes (num_codes, num_bits) of 0 and 1 as rows of 64-bit words.

    Raises:
        ValueError: If `codes` are not a matrix of 0 and 1.
    """
    codes = np.asarray(codes)
    if codes.ndim != 2 or not codes.size or not np.isin(codes, (0, 1)).all():
        raise ValueError(
            "Codes must be an array (num_codes, num_bits) of 0 and 1. "
            f"Received: the shape {codes.shape}"
            + (", other values" if codes.ndim == 2 and codes.size else "")
        )
    packed = np.packbits(codes.astype(bool), axis=1)
    packed = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8)))
    return np.ascontiguousarray(packed).view("uint64")
