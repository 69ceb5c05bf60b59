"""COCO captions: a JSON file with ``images`` and ``annotations``, and a folder of images.

Also the layout that Karpathy's splits of Flickr8k, Flickr30k and COCO come in, with ``sentences`` inside each image.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.paths import inside
from wordsight.errors import InputError

_LAYOUT = "COCO captions: {'images': [{'id', 'file_name'}], 'annotations': [{'image_id', 'caption'}]}"


@dataclass(frozen=True)
class Coco:
    """COCO captions JSON and a folder of images; the split of each image where the file has it.

    Args:
        captions: The JSON file.
        images: The folder that its file names are relative to.
    """

    captions: Path
    images: Path

    def __iter__(self) -> Iterator[Example | Rejected]:
        if not self.images.is_dir():
            raise InputError("no such folder", where=self.images, expected="the folder of the images")
        sentences = self._sentences()
        for number, entry in enumerate(self._content["images"]):
            yield from self._example(number, entry, sentences)
        for image_id, captions in sentences.items():
            for caption in captions:
                yield Rejected(f"image_id {image_id}", "caption", "no such image", str(caption))

    def __length_hint__(self) -> int:
        return len(self._content["images"])

    def sources(self) -> list[str]:
        """The JSON file and the folder."""
        return [str(self.captions), str(self.images)]

    def label_names(self) -> list[str]:
        """None: captions come without classes."""
        return []

    def _sentences(self) -> dict[Any, list[Any]]:
        found: dict[Any, list[Any]] = defaultdict(list)
        for number, annotation in enumerate(self._content.get("annotations", [])):
            if not isinstance(annotation, dict) or "image_id" not in annotation or "caption" not in annotation:
                raise InputError(
                    f"annotation {number + 1} has no 'image_id' or no 'caption'", where=self.captions, expected=_LAYOUT
                )
            found[_key(annotation["image_id"])].append(annotation["caption"])
        return found

    def _example(self, number: int, entry: Any, sentences: dict[Any, list[Any]]) -> Iterator[Example | Rejected]:
        fields = entry if isinstance(entry, dict) else {}
        name = fields.get("file_name", fields.get("filename"))
        if not isinstance(name, str) or not name:
            yield Rejected(f"image {number + 1}", "example", "no file name", str(entry)[:200])
            return
        if isinstance(folder := fields.get("filepath"), str):
            name = f"{folder}/{name}" if folder else name
        captions = sentences.pop(_key(fields.get("id")), [])
        inner = fields.get("sentences")
        for sentence in inner if isinstance(inner, list) else []:
            captions.append(sentence.get("raw") if isinstance(sentence, dict) else sentence)
        path = inside(self.images, name)
        if path is None:
            yield Rejected(name, "image", "outside the folder", f"the name leads out of {self.images}")
            return
        texts = []
        for caption in captions:
            if isinstance(caption, str) or caption is None:
                texts.append(caption or "")
            else:
                yield Rejected(name, "caption", "caption is no text", repr(caption)[:200])
        yield Example(id=name, image=path, captions=tuple(texts), split=str(fields.get("split") or ""))

    @cached_property
    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self.captions.read_text(encoding="utf-8-sig"))
        except FileNotFoundError as error:
            raise InputError("no such file", where=self.captions, expected="a COCO captions JSON file") from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"byte {error.start:,} is not UTF-8", where=self.captions, mend="save it as UTF-8"
            ) from error
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"can't be read ({error})", where=self.captions, expected="COCO captions JSON") from error
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            found = f"has the keys {', '.join(content) or 'none'}" if isinstance(content, dict) else "is no JSON object"
            raise InputError(found, where=self.captions, expected=_LAYOUT)
        if not isinstance(content.get("annotations", []), list):
            raise InputError("'annotations' is no list", where=self.captions, expected=_LAYOUT)
        return content


def _key(image_id: Any) -> Any:
    """Image ids are numbers or strings; anything else would not be found in a dictionary."""
    return image_id if isinstance(image_id, (int, str)) else repr(image_id)
