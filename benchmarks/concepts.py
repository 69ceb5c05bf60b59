"""What building a concept set costs: time and peak memory, against calling its library, or a plain loop, directly.

    python benchmarks/concepts.py --text flickr30k_5caps_en.tsv.gz coco_captions_val2017.json.gz --captions 200000
    python benchmarks/concepts.py --text captions.tsv.gz --captions 5000 --rows words ngrams subwords

Captions come from text files (tab-separated, the caption in the last column, or COCO's JSON; ``.gz`` too): every five
of them get a small picture of their own, so that there is a real corpus; it is kept in ``--work``. Every measurement is
a process of its own, and counts from where libraries are imported and the corpus is open: seconds, seconds of the
processor (what to compare by on a machine that does other things too), and what its peak memory is above that. Both
sides read the captions from the corpus. A row is a line in ``ROWS``.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import concepts_fitted as fitted
import record
from rich.console import Console
from rich.table import Table

CAPTIONS_AN_IMAGE, SIZE = 5, 1000


@dataclass(frozen=True)
class TextFiles:
    """A reader: captions of text files, each few with a picture that nothing else has."""

    files: tuple[Path, ...]
    captions: int

    def __iter__(self) -> Iterator[Any]:
        from PIL import Image

        from wordsight.corpus import Example

        texts = islice((text for file in self.files for text in texts_of(file)), self.captions)
        for number in range(sys.maxsize):
            few = tuple(islice(texts, CAPTIONS_AN_IMAGE))
            if not few:
                return
            encoded = io.BytesIO()
            # 16 x 16 pixels that spell the number in colours: every picture is another.
            colours = bytes((number >> (8 * (k % 3))) & 255 for k in range(48))
            Image.frombytes("RGB", (4, 4), colours).resize((16, 16), 0).save(encoded, "png")
            yield Example(id=f"{number:07d}", image=encoded.getvalue(), captions=few)

    def sources(self) -> list[str]:
        return [str(file) for file in self.files]

    def label_names(self) -> list[str]:
        return []


def texts_of(file: Path) -> Iterator[str]:
    """The captions of a text file."""
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        if ".json" in file.suffixes:
            yield from (annotation["caption"] for annotation in json.load(lines)["annotations"])
        else:
            yield from (line.rstrip("\n").rsplit("\t", 1)[-1] for line in lines)


def captions(corpus: Any) -> Iterator[tuple[int, str]]:
    """(example, caption) as both sides read them."""
    return ((i, text) for i, _, text in corpus.caption_iter(corpus.indices(None)))


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        what: What is measured.
        ours: Builds a concept set of a corpus; gives how many items it went through, for rates.
        direct: Does the same work by its library, or a plain loop; None where it is the same one (a cache).
        unit: What the items are.
        prepare: Makes what both sides begin with; in a process of its own, and not measured.
        imports: Modules that are imported before the time is taken.
    """

    what: str
    ours: Callable[[Any], int]
    direct: Callable[[Any], int] | None = None
    unit: str = "captions"
    prepare: Callable[[Any], int] | None = None
    imports: tuple[str, ...] = ()


def build(kind: str, **settings: Any) -> Callable[[Any], int]:
    """Build a concept set; gives the captions."""

    def run(corpus: Any) -> int:
        from wordsight.concepts import CONCEPT_SETS

        made = CONCEPT_SETS[kind]
        made.build(corpus, made.settings(**settings), "all")
        return int(corpus.info["counts"]["captions"])

    return run


def tag(processes: int) -> Callable[[Any], int]:
    """Tag all captions with the project's tagger; gives the words."""

    def run(corpus: Any) -> int:
        from wordsight.language.tagger import tag_words

        return sum(len(words) for words in tag_words((text for _, text in captions(corpus)), processes))

    return run


def spacy_tags(corpus: Any) -> int:
    """spaCy's own pipeline with the tagger alone; gives the words."""
    import spacy

    from wordsight.language.tagger import tagger_name

    pipeline = spacy.load(tagger_name().split()[0], exclude=["parser", "senter", "ner", "lemmatizer"])
    documents = pipeline.pipe((text for _, text in captions(corpus)), batch_size=256)
    return sum(len([word.pos_ for word in document]) for document in documents)


def postag_again(corpus: Any) -> int:
    """The concept set of a corpus by its settings, which a first call has built; gives the captions."""
    from wordsight.concepts.cached import concept_set_for

    concept_set_for(corpus, "postag", {"size": SIZE}, "all")
    return int(corpus.info["counts"]["captions"])


def postag_first(corpus: Any) -> int:
    """The same with nothing cached."""
    shutil.rmtree(corpus.path / "concepts", ignore_errors=True)
    return postag_again(corpus)


def scikit_counts(shortest: int, longest: int) -> Callable[[Any], int]:
    """scikit-learn's CountVectorizer on the joined captions of each example; gives the captions."""

    def run(corpus: Any) -> int:
        from sklearn.feature_extraction.text import CountVectorizer

        joined = (" . ".join(corpus.captions(i)) for i in range(len(corpus)))
        pattern = r"[^\W_]+(?:'(?:t|re|ve|ll|d|m)\b)?"
        CountVectorizer(
            token_pattern=pattern, ngram_range=(shortest, longest), max_features=SIZE, binary=True
        ).fit_transform(joined)
        return int(corpus.info["counts"]["captions"])

    return run


def plain_words(corpus: Any) -> int:
    """A plain loop: count by an expression, choose, then look up where each word stands; gives the captions."""
    import numpy as np
    import scipy.sparse

    split = re.compile(r"[^\W_]+(?:'(?:t|re|ve|ll|d|m)\b)?").finditer
    counts = Counter(found[0] for _, text in captions(corpus) for found in split(text.lower()))
    number = {word: k for k, (word, _) in enumerate(counts.most_common(SIZE))}
    places = [
        (i, *found.span(), number[found[0]])
        for i, text in captions(corpus)
        for found in split(text.lower())
        if found[0] in number
    ]
    table = np.array(places)
    scipy.sparse.csr_matrix((np.ones(len(table)), (table[:, 0], table[:, 3])), shape=(len(corpus), SIZE))
    return int(corpus.info["counts"]["captions"])


def plain_ngrams(corpus: Any) -> int:
    """A plain loop: words by an expression, pairs of neighbours, count, choose, look up; gives the captions."""
    import numpy as np
    import scipy.sparse

    split = re.compile(r"[^\W_]+(?:'(?:t|re|ve|ll|d|m)\b)?").findall

    def grams() -> Iterator[tuple[int, str]]:
        for i, text in captions(corpus):
            for phrase in re.split(r"[.,;:!?()]+", text.lower()):
                words = split(phrase)
                yield from ((i, word) for word in words)
                yield from ((i, f"{first} {second}") for first, second in pairwise(words))

    counts = Counter(gram for _, gram in grams())
    number = {gram: k for k, (gram, _) in enumerate(counts.most_common(SIZE))}
    table = np.array([(i, number[gram]) for i, gram in grams() if gram in number])
    scipy.sparse.csr_matrix((np.ones(len(table)), (table[:, 0], table[:, 1])), shape=(len(corpus), SIZE))
    return int(corpus.info["counts"]["captions"])


def plain_tokens(corpus: Any) -> int:
    """The tokenizer on all captions at once, its ids to a sparse matrix, df and weights; gives the captions."""
    import numpy as np
    import scipy.sparse
    from tokenizers import Tokenizer

    from wordsight.language.model_folder import model_folder

    tokenizer = Tokenizer.from_file(str(model_folder("minilm") / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    examples, texts = zip(*captions(corpus), strict=True)
    encoded = [row.ids for row in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
    ids = np.fromiter((id for row in encoded for id in row), np.int64)
    rows = np.repeat(np.array(examples), [len(row) for row in encoded])
    matrix = scipy.sparse.csr_matrix((np.ones(len(ids), np.float32), (rows, ids)))
    matrix.data = np.log((len(corpus) + 1) / (matrix.getnnz(axis=0) + 1)).astype(np.float32)[matrix.indices]
    return len(texts)


_SKLEARN = ("sklearn.decomposition", "sklearn.feature_extraction.text")
# Of tagging, "direct" is spaCy on one core; more processes and the cache have no other to be measured against.
ROWS: dict[str, Row] = {
    "tagging-1": Row("tagging, 1 process", tag(1), spacy_tags, unit="words", imports=("spacy",)),
    "tagging-2": Row("tagging, 2 processes", tag(2), unit="words"),
    "postag": Row("postag, first call", postag_first),
    "postag-again": Row("postag, second call", postag_again),
    "words": Row("words, against a plain loop", build("words", size=SIZE), plain_words),
    "ngrams": Row("ngrams of 1 to 2 words, against a plain loop", build("ngrams", size=SIZE), plain_ngrams),
    # scikit-learn reads captions once, keeps all counts in memory, and does not say where a word stands.
    "words-sklearn": Row(
        "words, against scikit-learn", build("words", size=SIZE), scikit_counts(1, 1), imports=_SKLEARN
    ),
    "ngrams-sklearn": Row(
        "ngrams, against scikit-learn", build("ngrams", size=SIZE), scikit_counts(1, 2), imports=_SKLEARN
    ),
    "subwords": Row("subwords, against tokenizer and SciPy", build("subwords"), plain_tokens, imports=("tokenizers",)),
    "topics": Row(
        "topics, against scikit-learn",
        fitted.topics,
        fitted.scikit_topics,
        prepare=fitted.prepare_bags,
        imports=_SKLEARN,
    ),
    "topics-build": Row("topics, all of it", fitted.topics_build, fitted.scikit_topics_build, imports=_SKLEARN),
    "clusters": Row(
        "clusters, against faiss",
        fitted.clusters,
        fitted.faiss_clusters,
        prepare=fitted.prepare_vectors,
        imports=("faiss",),
    ),
    "clusters-build": Row("clusters, all of it", fitted.clusters_build),
    "clusters-again": Row("clusters, vectors kept", fitted.clusters_again),
}


def measure(row: Row, side: str, folder: Path) -> dict[str, float]:
    """Time, memory above the start, and items of one call in this process."""
    from wordsight.corpus import Corpus

    for module in ("wordsight.concepts.cached", *row.imports):
        import_module(module)
    corpus = Corpus.open(folder)
    function: Callable[[Any], int] = getattr(row, side)
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, used = time.perf_counter(), time.process_time()
    items = function(corpus)
    seconds, processor = time.perf_counter() - begin, time.process_time() - used
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit
    return {"seconds": seconds, "processor": processor, "bytes": memory, "items": items}


def measured(row: str, side: str, folder: Path) -> dict[str, float]:
    """The same in a process of its own."""
    words = [sys.executable, __file__, "--measure", row, side, "--work", str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Build the corpus, measure the rows, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", default=[], help="files of captions: .tsv, .json, .gz of these")
    parser.add_argument("--captions", type=int, default=200_000, help="how many captions at most")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=1, help="the fastest of so many counts")
    parser.add_argument("--work", type=Path, default=Path("benchmark-concepts"), help="where the corpus is kept")
    parser.add_argument("--record", action="store_true", help="append the rows to benchmarks/results/concepts.csv")
    parser.add_argument("--measure", nargs=2, metavar=("ROW", "SIDE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        row, side = options.measure
        sys.stdout.write(json.dumps(measure(ROWS[row], side, options.work)) + "\n")
        return
    folder = options.work / f"corpus-{options.captions}"
    if not folder.exists():
        from wordsight.corpus import build_corpus

        build_corpus(TextFiles(tuple(options.text), options.captions), folder)
    # Into a file too every column is to be read.
    Console(width=max(150, Console().width)).print(table_of(options.rows, options.rounds, folder, options.record))


def table_of(rows: list[str], rounds: int, folder: Path, kept: bool) -> Table:
    """Measure the rows one after another; where they are kept, as results too."""
    table = Table(title=f"{folder.name}: concept sets of {SIZE:,} concepts")
    ours_alone, both = ("s", "processor s", "rate", "MB"), ("x s", "x processor s", "x MB")
    columns = ("row", *ours_alone, "direct: s", "direct: processor s", "direct: MB", *both)
    for column in columns:
        table.add_column(column, justify="left" if column == "row" else "right")
    for name in rows:
        if ROWS[name].prepare is not None:
            measured(name, "prepare", folder)
        sides = ["ours", *(["direct"] if ROWS[name].direct is not None else [])]
        # The sides by turns: neighbours in time meet the same machine.
        found = [{side: measured(name, side, folder) for side in sides} for _ in range(rounds)]
        ours = min((one["ours"] for one in found), key=lambda one: one["seconds"])
        cells = [
            ROWS[name].what,
            f"{ours['seconds']:.2f}",
            f"{ours['processor']:.2f}",
            f"{ours['items'] / ours['seconds']:,.0f} {ROWS[name].unit}/s",
            f"{ours['bytes'] / 1e6:.0f}",
        ]
        if len(sides) == 2:
            direct = min((one["direct"] for one in found), key=lambda one: one["seconds"])
            cells += [
                f"{direct['seconds']:.2f}",
                f"{direct['processor']:.2f}",
                f"{direct['bytes'] / 1e6:.0f}",
                *(f"{ours[of] / max(direct[of], 1e-3):.2f}" for of in ("seconds", "processor", "bytes")),
            ]
        table.add_row(*cells)
        if kept:
            figures = dict(zip(("s", "processor s", "rate", "MB", *columns[5:]), cells[1:], strict=False))
            what = {"row": name.removesuffix("-1"), "captions": folder.name.removeprefix("corpus-")}
            record.append("concepts", what, figures)
    return table


if __name__ == "__main__":
    main()
