"""Wikipedia-style triplets: an image, its caption, and the article that it stands in (Patel et al. 2019).

https://arxiv.org/abs/1902.00378
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from wordsight.corpus.columns import named_column, not_told, told_column
from wordsight.corpus.example import Example, Rejected
from wordsight.corpus.lines import decoded, shown
from wordsight.corpus.paths import inside
from wordsight.corpus.readers.table import Table
from wordsight.corpus.tabular import TableFile
from wordsight.errors import InputError, setting


@dataclass(frozen=True)
class Articles:
    """A CSV, TSV, JSONL or Parquet table of images, captions and articles, as of Wikipedia.

    It is read as the reader "table" reads one, and needs all three columns. A row whose article is empty is kept
    without one; of the rows of one image, the first article counts.

    Args:
        path: The table.
        image: The column of image files (or, in Parquet, of image bytes); guessed from the column name.
        caption: The column of captions; guessed from the column name.
        article: The column of articles; guessed from the column name.
        label: The column of labels; guessed from the column name.
        id: The column that names the examples; by default the image file does.
        split: The column of splits; by default the one named "split".
        language: The column of the captions' languages; by default the one named "language" or "lang".
        images: The folder that the image files are in; by default that of the table.
        article_files: The folder of text files with the articles; the column of articles then holds their names.
        encoding: Of CSV, TSV and JSONL, and of the text files, those without a byte order mark.
        quotes: Whether double quotes hold a cell together; by default between commas, not between tabs.
    """

    path: Path
    image: str | None = None
    caption: str | None = None
    article: str | None = None
    label: str | None = None
    id: str | None = None
    split: str | None = None
    language: str | None = None
    images: Path | None = None
    article_files: Path | None = None
    encoding: str = "utf-8-sig"
    quotes: bool | None = None

    def __iter__(self) -> Iterator[Example | Rejected]:
        if self.article_files is not None and not self.article_files.is_dir():
            raise InputError("no such folder", where=self.article_files, expected="the folder of the article files")
        examples = articles = 0
        for item in self._table:
            found = item if isinstance(item, Rejected) else self._with_text(item)
            if isinstance(found, Rejected) and isinstance(item, Example):
                yield found
                found = replace(item, article=None)
            if isinstance(found, Example):
                examples += 1
                articles += found.article is not None
            yield found
        if examples and not articles:
            what = f"no article in any of its {examples:,} examples"
            mend = f"name the right column with {setting('article')}, or use the reader 'table'"
            raise InputError(what, where=self.path, mend=mend)

    def __length_hint__(self) -> int:
        return self._table.__length_hint__()

    def sources(self) -> list[str]:
        """The table, and the folders that were given."""
        return self._table.sources() + ([str(self.article_files)] if self.article_files is not None else [])

    def label_names(self) -> list[str]:
        """None declared: the labels of a corpus are those of its rows."""
        return []

    @cached_property
    def _table(self) -> Table:
        """The table with all its columns named.

        Raises:
            InputError: When the image's, the caption's or the article's can't be told.
        """
        file = TableFile(self.path, self.encoding, self.quotes)
        article = named_column(file, "article", self.article) if self.article else told_column(file, "article")
        if article is None:
            raise not_told(file, "the article", setting("article"))
        table = Table(
            path=self.path,
            image=self.image,
            caption=self.caption,
            label=self.label,
            id=self.id,
            split=self.split,
            language=self.language,
            article=article,
            images=self.images,
            encoding=self.encoding,
            quotes=self.quotes,
        )
        if "caption" not in table.columns:
            raise not_told(file, "the caption", setting("caption"))
        return table

    def _with_text(self, example: Example) -> Example | Rejected:
        """The example with the text of the file that its article's cell names."""
        if self.article_files is None or example.article is None:
            return example
        name = example.article.strip()
        path = inside(self.article_files, name)
        if path is None:
            return Rejected(
                example.id, "article", "outside the folder", f"{name[:200]} leads out of {self.article_files}"
            )
        try:
            text = decoded(path.read_bytes(), self.encoding)
        except FileNotFoundError:
            return Rejected(example.id, "article", "no such article file", name)
        except UnicodeError as error:
            return Rejected(example.id, "article", f"article is not {shown(self.encoding)}", str(error))
        except OSError as error:
            return Rejected(example.id, "article", "article can't be read", f"{name[:200]}: {error.strerror or error}")
        return replace(example, article=text if text.strip() else None)
