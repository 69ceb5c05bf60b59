"""From captioned images in any common layout to a corpus: checked, cleaned, packed, memory-mapped."""

from __future__ import annotations

from wordsight.corpus.build import BuildSettings, build_corpus
from wordsight.corpus.example import Box, Example, Reader, Rejected
from wordsight.corpus.readers.articles import Articles
from wordsight.corpus.readers.coco import Coco
from wordsight.corpus.readers.flickr30k_entities import Flickr30kEntities
from wordsight.corpus.readers.folder import Folder
from wordsight.corpus.readers.huggingface import HuggingFace
from wordsight.corpus.readers.json_file import Json
from wordsight.corpus.readers.pictures import Pictures
from wordsight.corpus.readers.table import Table
from wordsight.corpus.readers.visual_genome import VisualGenome
from wordsight.corpus.readers.voc import Voc
from wordsight.corpus.readers.webdataset import WebDataset
from wordsight.corpus.store import Corpus

READERS: dict[str, type[Reader]] = {
    "coco": Coco,
    "table": Table,
    "json": Json,
    "folder": Folder,
    "webdataset": WebDataset,
    "huggingface": HuggingFace,
    "voc": Voc,
    "visual-genome": VisualGenome,
    "flickr30k-entities": Flickr30kEntities,
    "articles": Articles,
    "pictures": Pictures,
}

__all__ = ["READERS", "Box", "BuildSettings", "Corpus", "Example", "Reader", "Rejected", "build_corpus"]
