"""Every row of wire_rows.py, sent whole, byte by byte and in random pieces: the same answers each time."""

import random
import zlib

import pytest
from support.wire import PROBE, converse, parse, random_pieces, single_bytes, whole

from wire_rows import ROWS


def outcome(server, row, pieces):
    data = converse(server, pieces)
    answers = [answer for answer in parse(data, row.heads) if answer.status >= 200]
    assert all(answer.complete for answer in answers), data
    probed = [answer.body == b"/path/probe" for answer in answers]
    assert not any(probed[:-1]), data
    return [(answer.status, answer.body) for answer in answers], bool(probed) and probed[-1], answers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name} ({row.clause})")
def test_a_message_has_its_answer_however_it_is_cut(server, row):
    message = row.message + PROBE
    first, kept, answers = outcome(server, row, whole(message))
    statuses = tuple(status for status, _ in first)
    assert (statuses, kept) == (row.statuses + (200,) * row.kept, row.kept), first
    if not row.kept and answers[-1].status >= 400:
        assert answers[-1].fields["connection"] == ["close"]
    dice = random.Random(zlib.crc32(row.name.encode()))
    for pieces in (single_bytes(message) if len(message) < 3000 else random_pieces(message, dice), random_pieces(message, dice)):
        assert outcome(server, row, pieces)[:2] == (first, kept), pieces


def test_every_row_names_its_clause():
    assert len(ROWS) >= 150
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert all(row.clause.startswith("RFC ") for row in ROWS)
