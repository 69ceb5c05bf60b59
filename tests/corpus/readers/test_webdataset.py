from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.webdataset import WebDataset
from wordsight.errors import InputError

Encoded = Callable[..., bytes]


def tar(path: Path, members: dict[str, bytes | str | dict[str, object]], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            data = (
                content
                if isinstance(content, bytes)
                else (content.encode() if isinstance(content, str) else json.dumps(content).encode())
            )
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def sample(encoded: Encoded, i: int, caption: str) -> dict[str, bytes | str | dict[str, object]]:
    """What img2dataset writes for one image."""
    key = f"{i:09d}"
    facts: dict[str, object] = {"caption": caption, "url": "https://x", "key": key, "status": "success", "width": 48}
    return {f"{key}.jpg": encoded(i), f"{key}.txt": caption, f"{key}.json": facts}


def test_shards_of_img2dataset_are_read(encoded: Encoded, tmp_path: Path) -> None:
    for shard in range(2):
        members = {}
        for i in range(3 * shard, 3 * shard + 3):
            members.update(sample(encoded, i, f"the picture number {i}"))
        tar(tmp_path / "shards" / f"{shard:05d}.tar", members)
        (tmp_path / "shards" / f"{shard:05d}_stats.json").write_text("{}")
    corpus = build_corpus(WebDataset(tmp_path / "shards"), tmp_path / "corpus")
    assert len(corpus) == 6
    assert (corpus.id(4), corpus.captions(4)) == ("00001/000000004", ["the picture number 4"])
    assert bytes(corpus.image_bytes(4)) == encoded(4)
    assert corpus.info["counts"]["rejected"] == {}


@pytest.mark.parametrize("pattern", ["shards", "shards/*.tar", "shards/0000[01].tar"])
def test_a_folder_or_a_pattern_names_several_shards(pattern: str, encoded: Encoded, tmp_path: Path) -> None:
    for shard in range(2):
        tar(tmp_path / "shards" / f"{shard:05d}.tar", {"000.jpg": encoded(shard), "000.txt": "a dog runs"})
    ids = [each.id for each in WebDataset(tmp_path / pattern)]
    assert ids == ["00000/000", "00001/000"]


def test_one_shard_needs_no_prefix_and_may_be_packed(encoded: Encoded, tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar.gz", {"./x/1.png": encoded(1, kind="PNG"), "./x/1.txt": "a dog runs"}, "w:gz")
    assert list(WebDataset(path)) == [Example("x/1", encoded(1, kind="PNG"), ("a dog runs",))]


def test_json_and_cls_may_hold_captions_labels_and_splits(encoded: Encoded, tmp_path: Path) -> None:
    members: dict[str, bytes | str | dict[str, object]] = {
        "1.json": {"captions": ["a dog runs", "a dog"], "labels": ["dog", "run"], "split": "val"},
        "1.jpg": encoded(1),
        "2.jpg": encoded(2),
        "2.seg.png": encoded(3, kind="PNG"),
        "2.cls": "7",
        "3.jpg": encoded(4),
        "3.json": "{broken",
        "3.txt": b"caf\xe9",
        "4.txt": "words without an image",
        "readme.md": "nothing",
    }
    found = list(WebDataset(tar(tmp_path / "a.tar", members)))
    assert [each for each in found if isinstance(each, Example)] == [
        Example("1", encoded(1), ("a dog runs", "a dog"), ("dog", "run"), split="val"),
        Example("2", encoded(2), labels=("7",)),
        Example("3", encoded(4)),
    ]
    assert [(each.id, each.kind, each.reason) for each in found if isinstance(each, Rejected)] == [
        ("3", "caption", "broken JSON"),
        ("3", "caption", "not UTF-8"),
        ("4", "image", "absent"),
    ]


def test_folders_of_shards_are_splits(encoded: Encoded, tmp_path: Path) -> None:
    for split, seed in (("train", 1), ("val", 2)):
        tar(tmp_path / split / "0.tar", {"1.jpg": encoded(seed), "1.txt": "a dog runs"})
    found = [each for each in WebDataset(tmp_path) if isinstance(each, Example)]
    assert [(each.id, each.split) for each in found] == [("train/0/1", "train"), ("val/0/1", "val")]


@pytest.mark.parametrize("name", ["../1.jpg", "a/../../1.jpg", "/etc/1.jpg", "..\\1.jpg"])
def test_an_archive_with_names_that_lead_out_is_refused(name: str, encoded: Encoded, tmp_path: Path) -> None:
    path = tar(tmp_path / "evil.tar", {"0.jpg": encoded(0), "0.txt": "a dog runs", name: encoded(1)})
    with pytest.raises(InputError, match=r"evil.tar: member .* leads out of the archive") as caught:
        build_corpus(WebDataset(path), tmp_path / "corpus")
    assert "\n" not in str(caught.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["evil.tar"]


@pytest.mark.parametrize(
    ("kind", "what"), [(tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a link"), (tarfile.CHRTYPE, "no plain")]
)
def test_an_archive_with_links_or_devices_is_refused(kind: bytes, what: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as archive:
        member = tarfile.TarInfo("1.jpg")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(InputError, match=f"'1.jpg' is {what}"):
        list(WebDataset(tmp_path / "evil.tar"))


def test_a_shard_cut_in_half_is_named(encoded: Encoded, tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {f"{i}.jpg": encoded(i, size=(300, 300)) for i in range(4)})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a.tar: is no tar archive, or is cut off"):
        list(WebDataset(path))
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match=r"a.tar: is no tar archive"):
        list(WebDataset(path))


def test_a_member_too_large_for_a_photograph_is_not_read(
    encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.corpus.readers.webdataset._LARGEST_MEMBER", 10_000)
    found = list(WebDataset(tar(tmp_path / "a.tar", {"1.jpg": bytes(20_000), "2.jpg": encoded(1)})))
    assert found == [Rejected("1", "image", "too large", "a member of 20,000 bytes"), Example("2", encoded(1))]


def test_no_shard_at_all_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.tar", tmp_path / "*.tar"):
        with pytest.raises(InputError, match="no tar shard"):
            list(WebDataset(path))
