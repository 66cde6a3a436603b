"""From text to windows of tokens, whatever is in the way."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import ByteLevelBPETokenizer

from learnact.training.data import sources, tokens
from learnact.training.data.sources import TextFile, sources_of
from learnact.training.data.tokenizer import END_OF_TEXT, Bytes, tokenizer_of
from learnact.training.data.tokens import GROUP, open_text, open_tokens, prepare
from learnact.training.data.windows import Windows
from learnact.training.errors import BadData

TEXT = "".join(f"line {k} of a little text\n" for k in range(400))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEARNACT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def all_tokens(folder: Path) -> np.ndarray:
    found = open_tokens(folder)
    return np.concatenate([found.train, found.validation])


def test_plain_gzip_and_xz_give_the_same_tokens(tmp_path: Path, text: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(TEXT.encode()))
    (tmp_path / "a.xz").write_bytes(lzma.compress(TEXT.encode()))
    expected = [*TEXT.encode(), Bytes().end]
    for path in (text, tmp_path / "a.gz", tmp_path / "a.xz"):
        assert all_tokens(prepare([str(path)], [], "bytes", quiet=True)).tolist() == expected


def test_a_folder_is_all_its_texts_in_order_each_with_an_end(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    (folder / "sub").mkdir(parents=True)
    (folder / "b.txt").write_text("bb" * 20)
    (folder / "sub" / "c.md").write_text("c" * 40)
    (folder / "a.txt").write_text("aé\r\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    found = all_tokens(prepare([str(folder)], [], "bytes", quiet=True))
    documents = ["aé\r\n", "bb" * 20, "c" * 40]
    assert found.tolist() == [t for d in documents for t in (*d.encode(), 256)]


def test_without_a_validation_text_the_end_is_held_out(tmp_path: Path, text: Path) -> None:
    alone = open_text([str(text)], [], "bytes")
    assert len(alone.validation) == pytest.approx(tokens.HELD_OUT * len(TEXT), abs=2)
    other = tmp_path / "other.txt"
    other.write_text("another text")
    both = open_text([str(text)], [str(other)], "bytes")
    assert len(both.train) == len(TEXT) + 1
    assert bytes(both.validation[:-1].tolist()) == b"another text"


def test_pairs_of_local_files_are_gpt2s_way_and_keep_documents_apart(tmp_path: Path, text: Path) -> None:
    trainer = ByteLevelBPETokenizer()
    trainer.train([str(text)], vocab_size=300, special_tokens=[END_OF_TEXT])
    trainer.save_model(str(tmp_path))  # vocab.json and merges.txt
    encoder = tokenizer_of(str(tmp_path))
    (one,) = encoder.encode([f"line 7{END_OF_TEXT}line"])
    assert one.tolist().count(encoder.end) == 1
    assert encoder.vocabulary == 300
    found = all_tokens(prepare([str(text)], [], str(tmp_path), quiet=True))
    assert len(found) < len(TEXT) / 2
    assert encoder.tokenizer.decode(found[:-1].tolist()) == TEXT


def test_an_interrupted_preparation_goes_on_and_ends_the_same(
    tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PIECE", 50)  # the text becomes three groups of pieces
    assert len(list(TextFile(text).pieces(0))) > 2 * GROUP
    whole = all_tokens(prepare([str(text)], [], "bytes", tmp_path / "whole", quiet=True))
    honest, calls = Bytes.encode, 0

    def failing(self: Bytes, texts: Sequence[str]) -> list[np.ndarray]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return honest(self, texts)

    monkeypatch.setattr(Bytes, "encode", failing)
    with pytest.raises(KeyboardInterrupt):
        prepare([str(text)], [], "bytes", tmp_path / "broken", quiet=True)
    with (tmp_path / "broken" / "train.bin").open("ab") as file:
        file.write(b"half a block")
    with (tmp_path / "broken" / "train.journal").open("a") as file:
        file.write('{"key": "torn')
    calls = 10
    prepare([str(text)], [], "bytes", tmp_path / "broken", quiet=True)
    assert calls < 10 + 3, "the first group was not tokenized again"
    assert all_tokens(tmp_path / "broken").tolist() == whole.tolist()
    digests = [json.loads((tmp_path / n / "tokens.json").read_text())["train"] for n in ("whole", "broken")]
    assert digests[0] == digests[1]


def test_a_data_set_is_documents(tmp_path: Path) -> None:
    rows = tmp_path / "set"
    rows.mkdir()
    (rows / "train.jsonl").write_text("".join(json.dumps({"text": f"document {k}"}) + "\n" for k in range(5)))
    found = all_tokens(prepare([f"hub:{rows}"], [], "bytes", quiet=True))
    assert found.tolist() == [t for k in range(5) for t in (*f"document {k}".encode(), 256)]
    with pytest.raises(BadData, match="body"):
        prepare([f"hub:{rows}:train:body"], [], "bytes", quiet=True)


def test_the_default_text_comes_with_python() -> None:
    found = open_text([], [], "bytes")
    assert len(found.train) > 100_000
    assert len(found.validation) > 10_000


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("none.txt", None, "no text"),
        ("empty.txt", b"", "empty"),
        ("bad.txt", b"\xff\xfe\xff", "UTF-8"),
        ("x.gz", b"no", "UTF-8"),
    ],
)
def test_texts_that_are_none(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadData, match=words):
        prepare([str(tmp_path / name)], [], "bytes", quiet=True)


def test_a_folder_without_text_and_a_tokenizer_that_is_none(tmp_path: Path, text: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BadData, match=r"\.txt, \.md, \.gz, \.xz"):
        sources_of([str(tmp_path / "nothing")])
    with pytest.raises(BadData, match=r"vocab\.json and merges\.txt"):
        tokenizer_of(str(tmp_path / "nothing"))


def test_tokens_that_lost_their_end_are_noticed(text: Path) -> None:
    folder = prepare([str(text)], [], "bytes", quiet=True)
    binary = folder / "train.bin"
    binary.write_bytes(binary.read_bytes()[:-10])
    with pytest.raises(BadData, match=r"tokens\.json says"):
        open_tokens(folder)


def test_a_folder_of_another_text_is_left_alone(tmp_path: Path, text: Path) -> None:
    prepare([str(text)], [], "bytes", tmp_path / "out", quiet=True)
    with pytest.raises(BadData, match="another text"):
        prepare([], [], "bytes", tmp_path / "out", quiet=True)


@pytest.fixture
def windows(text: Path) -> Iterator[Windows]:
    return Windows(open_text([str(text)], [], "bytes"), context=16, micro_batch=4, eval_windows=1000, seed=1)


def test_a_batch_is_told_by_its_number_alone(windows: Windows) -> None:
    first = windows.batch(3, 1)["tokens"]
    windows.batch(0, 0)
    assert first.equal(windows.batch(3, 1)["tokens"])
    assert first.shape == (4, 17)
    assert not first.equal(windows.batch(3, 2)["tokens"])
    assert not first.equal(windows.batch(4, 1)["tokens"])
    assert all(bytes(row.tolist()).decode() in TEXT for row in first)


def test_validation_is_every_window_once(windows: Windows) -> None:
    rows = [row.tolist() for k in range(windows.validation_batches) for row in windows.validation(k)["tokens"]]
    kept = windows.tokens.validation
    assert len(rows) == (len(kept) - 1) // 16
    assert [t for row in rows for t in row[1:]] == kept[1 : 16 * len(rows) + 1].tolist()


def test_a_text_shorter_than_a_window_says_how_short(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(BadData, match=r"validation text has 1 tokens, one window takes 17|train text has 9 tokens"):
        Windows(open_text([str(tmp_path / "short.txt")], [], "bytes"), 16, 4, 8, 0)
