"""Shards of WebDataset: what is beside an image in an archive, and archives that are refused."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from wordsight.corpus.build import build_corpus
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.readers.webdataset import WebDataset
from wordsight.errors import InputError

Encoded = Callable[..., bytes]


def tar(path: Path, members: Mapping[str, object], mode: str = "w") -> Path:
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
    with pytest.raises(InputError, match=r"a.tar is not a tar archive, or is cut off"):
        list(WebDataset(path))
    path.write_bytes(b"no tar at all" * 100)
    with pytest.raises(InputError, match=r"a.tar is not a tar archive"):
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


def read(path: Path, **how: Any) -> tuple[list[Example], list[Rejected]]:
    found = list(WebDataset(path, **how))
    return [one for one in found if isinstance(one, Example)], [one for one in found if isinstance(one, Rejected)]


def members_of(*names: str, encoded: Encoded) -> dict[str, Any]:
    """An image of its own under each name of one, and the name itself in all others."""
    return {
        name: encoded(seed) if name.endswith((".jpg", ".png")) else f"said by {name}" for seed, name in enumerate(names)
    }


def test_a_key_ends_at_the_first_dot_and_the_rest_is_decoded_by_its_last_ending(
    encoded: Encoded, tmp_path: Path
) -> None:
    names = ["s0.input.jpg", "s0.output.txt", "scan0.5.jpg", "scan0.5.txt", "v1.d/a.b.JPG", "v1.d/a.c.TXT"]
    members = members_of(*names[:4], encoded=encoded) | {names[4]: encoded(9), names[5]: "said by the last"}
    examples, rejected = read(tar(tmp_path / "a.tar", members))
    assert [(one.id, one.captions) for one in examples] == [
        ("s0", ("said by s0.output.txt",)),
        ("scan0", ("said by scan0.5.txt",)),
        ("v1.d/a", ("said by the last",)),
    ]
    assert rejected == []


def test_two_images_of_one_key_are_not_lost_unsaid(
    encoded: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = members_of("scan.1.jpg", "scan.1.txt", "scan.2.jpg", "scan.2.txt", "scan.txt", encoded=encoded)
    reader = WebDataset(tar(tmp_path / "a.tar", members))
    assert list(reader) == [Example("scan", encoded(0), ("said by scan.1.txt", "said by scan.txt"))]
    assert reader.unread() == {".2.jpg": 1, ".2.txt": 1}
    assert "1 images were not read, as their samples hold another one: a key ends at the first dot" in (
        " ".join(capsys.readouterr().err.split())
    )
    other = WebDataset(tmp_path / "a.tar", image="2.jpg")
    assert list(other) == [Example("scan", encoded(2), ("said by scan.2.txt", "said by scan.txt"))]


def test_fields_that_are_not_read_are_counted_by_their_names(encoded: Encoded, tmp_path: Path) -> None:
    names = [f"{k}.{end}" for k in range(3) for end in ("seg.png", "jpg", "txt", "npy", "json.bak")]
    reader = WebDataset(tar(tmp_path / "a.tar", members_of(*names, "README", "x.md", encoded=encoded)))
    found = [one for one in reader if isinstance(one, Example)]
    assert [one.image for one in found] == [encoded(1), encoded(6), encoded(11)]
    assert found[0] == Example("0", encoded(1), ("said by 0.txt",))
    assert reader.unread() == {".seg.png": 3, ".npy": 3, ".json.bak": 3, "(no ending)": 1, ".md": 1}


def test_files_of_operating_systems_are_no_samples(encoded: Encoded, tmp_path: Path) -> None:
    names = ["a/0.jpg", "a/0.txt", "a/._0.jpg", "a/._0.txt", "__MACOSX/a/1.jpg", "a/.DS_Store", ".x.jpg", "Thumbs.db"]
    reader = WebDataset(tar(tmp_path / "a.tar", members_of(*names, encoded=encoded)))
    assert list(reader) == [Example("a/0", encoded(0), ("said by a/0.txt",))]
    assert reader.unread() == {}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_members_of_a_sample_are_joined_wherever_they_stand(mode: str, encoded: Encoded, tmp_path: Path) -> None:
    names = [f"{k}.{end}" for end in ("jpg", "txt", "npy") for k in range(4)]
    examples, rejected = read(tar(tmp_path / "a.tar", members_of(*names, encoded=encoded), mode))
    assert examples == [Example(str(k), encoded(k), (f"said by {k}.txt",)) for k in range(4)]
    assert rejected == []


def test_a_packed_shard_that_would_have_to_be_held_is_one_line(
    encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wordsight.corpus.shards._MOST_HELD", 3 * len(encoded(0)))
    apart = members_of(*(f"{k}.{end}" for end in ("jpg", "txt") for k in range(8)), encoded=encoded)
    with pytest.raises(InputError, match=r"a.tar.gz: the members of its samples don't follow each other.*unpack it"):
        list(WebDataset(tar(tmp_path / "a.tar.gz", apart, "w:gz")))
    assert len(read(tar(tmp_path / "a.tar", apart))[0]) == 8
    together = members_of(*(f"{k}.{end}" for k in range(8) for end in ("jpg", "txt")), encoded=encoded)
    assert len(read(tar(tmp_path / "b.tar.gz", together, "w:gz"))[0]) == 8


def test_a_member_that_stands_twice_is_said(encoded: Encoded, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, data in (("0.jpg", encoded(0)), ("0.txt", b"one dog"), ("0.jpg", encoded(1)), ("0.txt", b"two dogs")):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    examples, rejected = read(tmp_path / "a.tar")
    assert examples == [Example("0", encoded(0), ("one dog",))]
    assert [(one.id, one.kind, one.reason) for one in rejected] == [
        ("0", "image", "repeated member"),
        ("0", "caption", "repeated member"),
    ]


@pytest.mark.parametrize("content", [["a dog runs", "a dog"], {"captions": ["a dog runs", "a dog"]}])
def test_a_list_in_json_is_several_captions(content: Any, encoded: Encoded, tmp_path: Path) -> None:
    members = {"0.jpg": encoded(0), "0.json": json.dumps(content), "1.jpg": encoded(1), "1.json": '"a cat"'}
    examples, rejected = read(tar(tmp_path / "a.tar", members))
    assert [one.captions for one in examples] == [("a dog runs", "a dog"), ("a cat",)]
    assert rejected == []


def test_json_of_other_keys_is_said_and_its_keys_can_be_named(encoded: Encoded, tmp_path: Path) -> None:
    facts = {"meta": {"alt": "a dog runs"}, "kind": "animal", "key": "0"}
    path = tar(tmp_path / "a.tar", {"0.jpg": encoded(0), "0.json": json.dumps(facts)})
    _, rejected = read(path)
    assert rejected == [Rejected("0", "caption", "no caption in .json", "its keys: meta, kind, key")]
    assert list(WebDataset(path, caption="meta.alt", label="kind")) == [
        Example("0", encoded(0), ("a dog runs",), ("animal",))
    ]


def test_numbered_captions_of_json_are_all_read(encoded: Encoded, tmp_path: Path) -> None:
    facts = {"caption_0": "a dog runs", "caption_1": "a dog", "captioner": "Ann"}
    examples, _ = read(tar(tmp_path / "a.tar", {"0.jpg": encoded(0), "0.json": json.dumps(facts)}))
    assert examples[0].captions == ("a dog runs", "a dog")


def test_lines_of_a_text_are_captions_by_a_flag_and_told_without(
    encoded: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    members = {"0.jpg": encoded(0), "0.txt": "a dog runs.\n\na dog plays.\n", "1.jpg": encoded(1), "1.txt": "a cat\n"}
    path = tar(tmp_path / "a.tar", members)
    assert [one.captions for one in read(path, txt="lines")[0]] == [("a dog runs.", "a dog plays."), ("a cat",)]
    assert capsys.readouterr().err == ""
    assert [one.captions for one in read(path)[0]] == [("a dog runs.\n\na dog plays.",), ("a cat",)]
    said = " ".join(capsys.readouterr().err.split())
    assert "1 of 2 text members hold several lines and were read as one caption each: with txt='lines'" in said


def test_a_class_is_a_label_wherever_it_stands(encoded: Encoded, tmp_path: Path) -> None:
    members = {"0.cls": "7\n", "0.jpg": encoded(0), "0.json": '{"width": 48}', "1.jpg": encoded(1), "1.cls": "dog|wet"}
    assert [one.labels for one in read(tar(tmp_path / "a.tar", members))[0]] == [("7",), ("dog", "wet")]


def test_names_of_shards_are_splits(encoded: Encoded, tmp_path: Path) -> None:
    names = ["train-000000", "cc_val_01", "imagenet1k-test-0000", "train-00000-of-00002", "0001", "train-val-0"]
    for seed, name in enumerate(names):
        tar(tmp_path / f"{name}.tar", {"0.jpg": encoded(seed), "0.txt": "a dog runs"})
    splits = {one.id: one.split for one in read(tmp_path)[0]}
    assert splits == {
        "train-000000/0": "train",
        "cc_val_01/0": "val",
        "imagenet1k-test-0000/0": "test",
        "train-00000-of-00002/0": "train",
        "0001/0": "",
        "train-val-0/0": "",
    }
    assert read(tmp_path / "train-000000.tar")[0][0].split == "train"


def test_braces_name_shards_and_those_that_are_not_there_are_told(encoded: Encoded, tmp_path: Path) -> None:
    for seed, name in enumerate(("train/000.tar", "train/001.tar", "val/000.tar")):
        tar(tmp_path / name, {"0.jpg": encoded(seed), "0.txt": "a dog runs"})
    found = read(tmp_path / "{train,val}/{000..000}.tar")[0]
    assert [(one.id, one.split) for one in found] == [("train/000/0", "train"), ("val/000/0", "val")]
    assert [one.split for one in read(tmp_path / "train/{000..001}.tar")[0]] == ["train", "train"]
    with pytest.raises(InputError, match=r"2 of its 4 names are of no file \(.*train/002.tar, .*train/003.tar\)"):
        read(tmp_path / "train/{000..003}.tar")


def test_shards_behind_each_other_in_one_file_are_all_read(encoded: Encoded, tmp_path: Path) -> None:
    parts = [tar(tmp_path / f"{k}.tar", members_of(f"{k}.jpg", f"{k}.txt", encoded=encoded)) for k in range(3)]
    (tmp_path / "all.tar").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert [one.id for one in read(tmp_path / "all.tar")[0]] == ["0", "1", "2"]


def test_a_damaged_header_is_not_the_end_of_a_shard(encoded: Encoded, tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", members_of("0.jpg", "1.jpg", "2.jpg", encoded=encoded))
    content = bytearray(path.read_bytes())
    content[content.index(b"1.jpg\0")] = ord("9")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.tar is not a tar archive, or is cut off \(damaged at byte"):
        read(path)
