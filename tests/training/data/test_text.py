"""From text to windows of tokens, whatever is in the way."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from tokenizers import ByteLevelBPETokenizer

from learnact.training.data import overlap, sources, tokens
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
    return np.concatenate([found.train, found.validation, found.test])


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
    assert len(alone.validation) == pytest.approx(tokens.HELD_OUT / 2 * len(TEXT), abs=2)
    assert bytes([*alone.train, *alone.validation, *alone.test][:-1]).decode() == TEXT
    other = tmp_path / "other.txt"
    other.write_text("another text")
    both = open_text([str(text)], [str(other)], "bytes")
    assert len(both.train) == len(TEXT) + 1
    assert bytes([*both.validation, *both.test][:-1]) == b"another text"


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


def test_documents_are_held_out_as_datasets_draws_them(tmp_path: Path) -> None:
    texts = [f"document {k} of many\n" * 9 for k in range(60)]
    rows = tmp_path / "set"
    rows.mkdir()
    (rows / "train.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    for word, seed in (("documents:0.11", 2357), ("documents:0.11:5", 5)):
        found = open_text([f"hub:{rows}"], [word], "bytes")
        drawn = Dataset.from_dict({"text": texts}).train_test_split(test_size=0.11, seed=seed)
        held_out = np.concatenate([found.validation, found.test])
        for split, array in (("train", found.train), ("test", held_out)):
            documents = bytes(np.where(array == 256, 0, array).astype(np.uint8)).decode().split("\0")[:-1]
            assert documents == sorted(drawn[split]["text"], key=texts.index)
    with pytest.raises(BadData, match="leave none on one side"):
        open_text([f"hub:{rows}"], ["documents:0.999"], "bytes")


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


def rows(windows: Windows, split: str) -> list[list[int]]:
    batches = (windows.held_out(split, k)["tokens"] for k in range(windows.held_out_batches(split)))
    return [row.tolist() for batch in batches for row in batch]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_validation_and_test_are_every_window_of_their_half_once(windows: Windows, split: str) -> None:
    kept = getattr(windows.tokens, split)
    found = rows(windows, split)
    assert len(found) == (len(kept) - 1) // 16
    assert [t for row in found for t in row[1:]] == kept[1 : 16 * len(found) + 1].tolist()


def test_few_windows_lie_at_equal_distances_over_the_whole_half() -> None:
    """The text counts, so that a window tells where it lies."""
    held_out = np.arange(20_000, dtype=np.uint16)
    text = tokens.Tokens(held_out, held_out[:10_000], held_out[10_000:], 1 << 16, {})
    windows = Windows(text, context=16, micro_batch=4, eval_windows=10, seed=0)
    for split, begin in (("validation", 0), ("test", 10_000)):
        starts = [row[0] for row in rows(windows, split)]
        assert len(starts) == 10
        assert starts[0] == begin
        assert starts == [begin + 16 * (k * (9_999 // 16) // 10) for k in range(10)]
    first, second = (({t for row in rows(windows, s) for t in row}) for s in ("validation", "test"))
    assert first.isdisjoint(second)


def test_of_a_folder_documentation_and_held_out_text_are_left_and_said(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    taken = ["a.txt", "contest.txt", "sub/b.md", "testament.txt"]
    left = {
        "README.md": "documentation",
        "sub/LICENSE.txt": "documentation",
        "wiki.valid.txt": "held out by its name",
        "books_test-001.txt": "held out by its name",
        "held-out/c.txt": "held out by its name",
        "cover.png": "no text by its ending",
        ".cache/d.txt": "hidden",
    }
    for number, name in enumerate([*taken, *left]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text number {number}")
    found = sources_of([str(folder)], training=True)
    assert sorted(s.name for s in found.sources) == sorted(str(folder / n) for n in taken)
    assert sorted(found.left) == sorted(f"{name} ({reason})" for name, reason in left.items())
    said = tokens.account(open_text([str(folder)], [], "bytes").record)
    assert "tokens of" in said[0]
    assert "left: .cache/d.txt (hidden)" in said[0]
    named = sources_of([str(folder / "README.md")], training=True)
    assert [s.name for s in named.sources] == [str(folder / "README.md")], "what is named itself is taken"
    held_out = sources_of([str(folder / "held-out")])
    assert len(held_out.sources) == 1


def test_a_folder_of_nothing_but_held_out_text_is_no_text_to_train_on(tmp_path: Path) -> None:
    (tmp_path / "valid.txt").write_text("held out")
    with pytest.raises(BadData, match=r"no text to train on.*left: valid\.txt \(held out by its name\)"):
        sources_of([str(tmp_path)], training=True)


def different(seed: int, size: int) -> str:
    return bytes(np.random.Generator(np.random.PCG64(seed)).integers(97, 123, size, dtype=np.uint8)).decode()


def test_held_out_text_that_is_trained_on_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    folder.mkdir()
    for number, name in enumerate(("a.txt", "b.txt")):
        (folder / name).write_text(different(number, 9000))
    with pytest.raises(BadData, match=r"b\.txt is in the text to train on"):
        prepare([str(folder)], [str(folder / ".." / "books" / "b.txt")], "bytes", quiet=True)
    (tmp_path / "copy.gz").write_bytes(gzip.compress((folder / "b.txt").read_bytes()))
    (tmp_path / "piece.txt").write_text((folder / "a.txt").read_text()[3000:6001])
    for name, count in (("copy.gz", "32 of 32"), ("piece.txt", "22 of 23")):  # its end is no end there
        with pytest.raises(BadData, match=rf"{count} stretches of 128 tokens"):
            prepare([str(folder)], [str(tmp_path / name)], "bytes", tmp_path / "out", quiet=True)
        assert not (tmp_path / "out").exists(), "nothing is half-written"


def test_a_stretch_that_two_texts_share_is_no_overlap(tmp_path: Path) -> None:
    licence = "This text is in the public domain. " * 10
    for number, name in enumerate(("a.txt", "other.txt")):
        (tmp_path / name).write_text(licence + different(number, 90_000))
    found = open_text([str(tmp_path / "a.txt")], [str(tmp_path / "other.txt")], "bytes")
    assert len(found.train) > 90_000


def test_a_stretch_is_found_at_the_border_of_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlap, "BLOCK", 1000)
    train = np.random.Generator(np.random.PCG64(0)).integers(0, 50_000, 5000, dtype=np.uint16)
    overlap.refuse_shared_text(train, train[::-1].copy())
    with pytest.raises(BadData, match="1 of 1 stretches"):
        overlap.refuse_shared_text(train, train[950:1060])


def test_a_text_shorter_than_a_window_says_how_short(tmp_path: Path) -> None:
    (tmp_path / "short.txt").write_text("too short")
    with pytest.raises(BadData, match=r"validation text has 0 tokens, one window takes 17|train text has 9 tokens"):
        Windows(open_text([str(tmp_path / "short.txt")], [], "bytes"), 16, 4, 8, 0)
