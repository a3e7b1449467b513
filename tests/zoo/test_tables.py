from __future__ import annotations

import pytest

from sculptnet.blocks import InvertedResidual
from sculptnet.errors import InvalidValue
from sculptnet.zoo.tables import Word, stages


def made(word: Word) -> InvertedResidual:
    return InvertedResidual(word.out_channels, word.kernel_size, word.expansion, word.stride)


def test_lines_are_stages_and_words_layers() -> None:
    assert stages("  c8\n  2*k5_e1.5_c16_s2 e4_c16", frozenset(), made) == (
        (InvertedResidual(8, 3, 1),),
        (InvertedResidual(16, 5, 1.5, 2), InvertedResidual(16, 5, 1.5, 2), InvertedResidual(16, 3, 4)),
    )


def test_flags_reach_the_layer() -> None:
    words: list[Word] = []

    def noted(word: Word) -> InvertedResidual:
        words.append(word)
        return made(word)

    stages("k3_c8_se_hs c8", frozenset({"se", "hs"}), noted)
    assert [word.flags for word in words] == [{"se", "hs"}, set()]


def test_every_word_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InvalidValue) as caught:
        stages("k3_x8_c8\n two*c8 k3_e1", frozenset({"se"}), made)
    assert str(caught.value).splitlines() == [
        "table: 3 problems",
        "  - k3_x8_c8: 'x8' is no field; fields are k, e, c and s with a number, or se",
        "  - two*c8: in front of * stands a whole number, got 'two'",
        "  - k3_e1: every layer needs its output channels, such as c24",
    ]
