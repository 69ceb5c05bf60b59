"""How `fuzz.py` damages a file or a folder: its bytes, the values in it, its name, or what it is."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import random
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

Damage = Callable[[Path, random.Random], None]

ODD_TEXTS = (
    "", " ", "\0", "a\0b", "\ufeff", "\u202e dog", "\ufffd",
    "e\u0301" * 40, "\U0001f415\u200d\U0001f9ba", "a\nb", "a\r\nb", "a\tb",
    "../../escape.jpg", "/etc/hostname", "~", "-1",
    "=1+1", "NaN", "null", "true", "1e999", "0x10", "{}", "[]", '"', "'", "'[1", "{'a': [", "%s%n", "*", "a" * 5_000,
    "dog " * 3_000, "." * 300, "x,y;z|w", "\x1b[31m", "\u2028", "no", "[/EN#1/people", "![](", "<a>&b;", "\\", "con",
)  # fmt: skip
ODD_NUMBERS = (0, -1, 1, 2, -0.5, 0.5, 1.5, 3e-320, 1e308, -1e308, 10**30, -(10**30), 2**31, 2**63, 2**64, 10**400)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))


def odd_value(draw: random.Random) -> Any:
    """A value that hardly anybody expects."""
    return draw.choice((
        lambda: draw.choice(ODD_TEXTS), lambda: draw.choice(ODD_NUMBERS), lambda: draw.choice(NO_NUMBERS),
        lambda: None, lambda: draw.random() < 0.5, list, dict, lambda: [None], lambda: [[["a"]]],
        lambda: {"raw": {"a": 1}},
        lambda: [draw.choice(ODD_TEXTS)] * 3, lambda: {draw.choice(ODD_TEXTS): draw.choice(ODD_NUMBERS)},
    ))()  # fmt: skip


def damage_values(tree: Any, draw: random.Random) -> Any:
    """Change one value or key somewhere in a tree of lists and dictionaries."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            places.append((node, key))
            walk(node[key])

    walk(tree)
    if not places or draw.random() < 0.05:
        return odd_value(draw)
    node, key = draw.choice(places)
    value, how = node[key], draw.randrange(8)
    if how == 0:
        del node[key]
    elif how == 1 and isinstance(node, dict):
        node[draw.choice((*ODD_TEXTS, f"{key}s", str(key).upper()))] = node.pop(key)
    elif how == 2 and isinstance(node, list):
        node[key:key] = [value] * draw.choice((1, 2, 30))
    elif how == 3 and isinstance(value, str):
        cut = draw.randint(0, len(value))
        node[key] = value[:cut] + draw.choice(ODD_TEXTS) + value[cut:]
    elif how == 4 and isinstance(value, int | float):
        node[key] = draw.choice((str(value), -value, value * 1e9, value + 0.5, draw.choice(ODD_NUMBERS), [value]))
    elif how == 5:
        node[key] = draw.choice(([value], {"a": value}, str(value)))
    elif how == 6:
        other = draw.choice(places)
        with suppress(LookupError, TypeError):
            node[key] = json.loads(json.dumps(other[0][other[1]]))
    else:
        node[key] = odd_value(draw)
    return tree


def damage_json(path: Path, draw: random.Random) -> None:
    tree = damage_values(json.loads(path.read_text("utf-8")), draw)
    path.write_text(json.dumps(tree, ensure_ascii=draw.random() < 0.5), "utf-8", errors="replace")


def damage_json_lines(path: Path, draw: random.Random) -> None:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
    rows = damage_values(rows, draw)
    rows = rows if isinstance(rows, list) else [rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8", errors="replace")


def damage_yaml(path: Path, draw: random.Random) -> None:
    tree = damage_values(yaml.safe_load(path.read_text("utf-8")), draw)
    path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), "utf-8", errors="replace")


def damage_rows(path: Path, draw: random.Random) -> None:
    """Of a CSV or TSV."""
    separator = "\t" if path.suffix in (".tsv", ".token") else ","
    rows = list(csv.reader(path.read_text("utf-8").splitlines(), delimiter=separator))
    if not rows:
        return
    row = draw.choice(rows[: draw.choice((1, len(rows)))])
    place, how = draw.randrange(len(row) + 1), draw.randrange(6)
    if how == 0:
        row.insert(place, draw.choice(ODD_TEXTS))
    elif how == 1 and place < len(row):
        del row[place]
    elif how == 2:
        rows += [row] * draw.choice((1, 40))
    elif how == 3 and len(row) > 1:
        row[0] = row[-1]
    elif place < len(row):
        row[place] = draw.choice((draw.choice(ODD_TEXTS), json.dumps(odd_value(draw)), row[place] * 900))
    text = io.StringIO()
    if draw.random() < 0.5:
        csv.writer(text, delimiter=separator, lineterminator=draw.choice(("\n", "\r\n", "\r"))).writerows(rows)
    else:
        text.write("\n".join(separator.join(cells) for cells in rows) + "\n")
    path.write_bytes(
        text.getvalue().encode(draw.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252")), "replace")
    )


def damage_columns(path: Path, draw: random.Random) -> None:
    """Of a Parquet or Arrow file: other values, other types."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    else:
        table = pa.ipc.open_file(path).read_all()
    table.validate(full=True)  # it may have been damaged before
    rows = table.to_pylist()
    if draw.random() < 0.4 and rows:
        name = draw.choice(list(rows[0]))
        value = odd_value(draw)
        for row in rows:
            row[name] = value
    else:
        damage_values(rows, draw)
    table = pa.Table.from_pylist([row for row in rows if isinstance(row, dict)])
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)


def damage_tar(path: Path, draw: random.Random) -> None:
    with tarfile.open(path) as archive:
        members = [(member, (archive.extractfile(member) or io.BytesIO()).read()) for member in archive.getmembers()]
    k, how = draw.randrange(len(members)), draw.randrange(7)
    member, data = members[k]
    if how == 0:
        odd = (*ODD_TEXTS, "../escape.jpg", "/tmp/escape.jpg", ".jpg", "a.", "a..jpg", "a/.txt", "A.JPG", "a.json.gz")
        member.name = draw.choice(odd).replace("\0", "0") or "x"
    elif how == 1:
        members += [members[k]] * draw.choice((1, 20))
    elif how == 2:
        member.type, member.linkname = draw.choice((tarfile.SYMTYPE, tarfile.LNKTYPE)), "../../escape"
    elif how == 3:
        member.type, data = draw.choice((tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)), b""
    elif how == 4:
        data = draw.choice([content for _, content in members])
    elif how == 5:
        data = json.dumps(odd_value(draw)).encode()
    else:
        data = damaged_bytes(data, draw)
    members[k] = member, data
    with tarfile.open(
        path, draw.choice(("w", "w", "w:gz", "w:xz")), format=draw.randrange(3), errors="replace"
    ) as archive:
        for one, content in members:
            one.size = len(content) if one.isreg() else 0
            with suppress(ValueError):  # a name that this format of tar can't hold
                archive.addfile(one, io.BytesIO(content) if one.isreg() else None)


def damage_array(path: Path, draw: random.Random) -> None:
    """Of an ``.npy``: another shape or type in its head, or other numbers."""
    array = np.load(path)
    how = draw.randrange(5)
    if how == 0:
        np.save(path, array[: draw.randint(0, len(array))] if array.ndim else array)
    elif how == 1:
        np.save(
            path, draw.choice((array[None], array.astype(np.float64), array.astype("U8"), -array - 1, array[()] * 9))
        )
    elif how == 2:
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        data = bytearray(path.read_bytes())
        for _ in range(draw.choice((1, 3))):
            data[draw.randrange(8, min(128, len(data)))] = draw.choice((draw.randrange(256), *b"'{}(),<>|0 \n"))
        path.write_bytes(data)


def damage_tensors(path: Path, draw: random.Random) -> None:
    """Of a safetensors file: the values in its head."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    head = json.dumps(damage_values(json.loads(data[8 : 8 + size]), draw)).encode("utf-8", "replace")
    size = len(head) if draw.random() < 0.8 else draw.choice((0, 1, 2**31, 2**63))
    path.write_bytes(size.to_bytes(8, "little") + head + data[8 + int.from_bytes(data[:8], "little") :])


def damage_packed(path: Path, draw: random.Random) -> None:
    data = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(damaged_bytes(data, draw), mtime=0))


def damaged_bytes(data: bytes, draw: random.Random) -> bytes:
    """Bits turned, a part cut off, taken out, doubled, overwritten or put in."""
    found = bytearray(data)
    if not found:
        return draw.randbytes(draw.choice((1, 30)))
    start = draw.randrange(len(found))
    end = min(len(found), start + draw.choice((1, 4, 64, 2_000)))
    how = draw.randrange(9)
    if how == 0:
        for _ in range(draw.choice((1, 1, 4, 30))):
            found[draw.randrange(len(found))] ^= 1 << draw.randrange(8)
    elif how == 1:
        del found[start:]
    elif how == 2:
        del found[start:end]
    elif how == 3:
        found[start:start] = found[start:end] * draw.choice((1, 1, 50))
    elif how == 4:
        found[start:end] = bytes(end - start)
    elif how == 5:
        found[start:end] = draw.randbytes(end - start)
    elif how == 6:
        found[start:start] = draw.choice((*ODD_TEXTS, "\xff")).encode(
            "latin-1" if draw.random() < 0.1 else "utf-8", "replace"
        )
    elif how == 7:
        found[start:end] = draw.choice((b"\xff\xfe", b"\xff" * 4, b"\0", b"\r", b"\n\n", b"\x80"))
    else:
        found[:start] = b""
    return bytes(found)


def damage_bytes(path: Path, draw: random.Random) -> None:
    path.write_bytes(damaged_bytes(path.read_bytes(), draw))


def damage_kind(path: Path, draw: random.Random) -> None:
    """Nothing, an empty file, a folder, a link or another file in its place."""
    others = [file for file in path.parent.iterdir() if file.is_file() and file != path]
    other = draw.choice(others).read_bytes() if others else b"x"
    path.unlink()
    how = draw.randrange(8)
    if how == 0:
        path.touch()
    elif how == 1:
        path.mkdir()
    elif how == 2:
        path.mkdir()
        (path / "inside.txt").write_text("a dog on a beach\n")
    elif how == 3:
        path.symlink_to(draw.choice(("nowhere", path.name, "..", ".", "/dev/null")))
    elif how == 4:
        path.write_bytes(other)
    elif how == 5:
        path.write_bytes(b"\0" * draw.choice((1, 5_000)))
    elif how == 6:
        path.write_text(draw.choice(ODD_TEXTS), "utf-8", errors="replace")


def damage_name(path: Path, draw: random.Random) -> None:
    """Another name for a file, or for the folder that it lies in, or a second one."""
    stem = draw.choice((
        b"-" + os.fsencode(path.stem), b"a\nb", b"caf\xe9", b"\xff\xfe", b" ", b"a b ", b".hidden", b"x" * 240, b"a,b",
        b"#1", "\u202egpj".encode(), b"con", b"{0..3}", b"*", b"[a]", b"'", os.fsencode(path.stem.upper()),
        b"._" + os.fsencode(path.name),
    ))  # fmt: skip
    ending = draw.choice((path.suffix, path.suffix.upper(), "", ".", ".txt", ".json", ".jpg", ".gz", ".part"))
    target = path.parent / os.fsdecode(stem[: 250 - len(ending)] + ending.encode())
    if target.exists():
        return
    if draw.random() < 0.3:
        shutil.copyfile(path, target)
    elif draw.random() < 0.2:
        target.symlink_to(path.parent)
    else:
        path.rename(target)


BY_ENDING: dict[str, Damage] = {
    ".json": damage_json,
    ".jsonl": damage_json_lines,
    ".yaml": damage_yaml,
    ".csv": damage_rows,
    ".tsv": damage_rows,
    ".token": damage_rows,
    ".parquet": damage_columns,
    ".arrow": damage_columns,
    ".tar": damage_tar,
    ".npy": damage_array,
    ".safetensors": damage_tensors,
    ".gz": damage_packed,
}


def damage(path: Path, draw: random.Random) -> str:
    """Damage a file in one way, and say in which.

    Args:
        path: The file.
        draw: Decides all.
    """
    own = BY_ENDING.get(path.suffix)
    ways: list[Damage] = [damage_bytes, damage_bytes, damage_kind, damage_name]
    if own is not None:
        ways += [own] * 5
    way = draw.choice(ways)
    before = path.read_bytes()
    try:
        way(path, draw)
    except Exception:  # noqa: BLE001  # what was damaged before may not be read any more, and libraries say so variously
        way = damage_bytes
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.write_bytes(damaged_bytes(before, draw))
    return f"{way.__name__.removeprefix('damage_')} of {path.name!r}"
