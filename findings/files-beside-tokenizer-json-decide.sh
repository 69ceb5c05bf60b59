#!/usr/bin/env bash
# transformers 5.23.0 with tokenizers 0.23.3: tokenizer.json alone does not say what a BERT tokenizer gives.
#
# One would guess: in a folder that has `tokenizer.json`, the whole tokenizer is in that file, so that its hash stands for
# what `AutoTokenizer` gives; the older files beside it (`vocab.txt`, `special_tokens_map.json`) are kept for old readers.
# Seen: `do_lower_case` of `tokenizer_config.json` overrides the normaliser inside `tokenizer.json`, and
# `special_tokens_map.json` replaces its special tokens, while a changed `vocab.txt` beside it changes nothing. A cache
# that is keyed by `tokenizer.json` gives the tokens of another tokenizer.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3
cd "$folder" && "$folder/env/bin/python" - 2>/dev/null <<'PY'
import json
import shutil
import sys
from pathlib import Path

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer

words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "dog", "runs"]
tokenizer = Tokenizer(models.WordPiece({word: k for k, word in enumerate(words)}, unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
plain = Path("plain")
plain.mkdir()
tokenizer.save(str(plain / "tokenizer.json"))
config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "unk_token": "[UNK]", "pad_token": "[PAD]"}
config |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
(plain / "tokenizer_config.json").write_text(json.dumps(config))
(plain / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": len(words)}))
(plain / "vocab.txt").write_text("\n".join(words) + "\n")


def tokens(name: str, file: str | None = None, content: str = "") -> list[int]:
    """What the folder gives for one sentence after one file was changed; tokenizer.json is the same in all."""
    shutil.copytree(plain, name, dirs_exist_ok=True)
    if file is not None:
        Path(name, file).write_text(content)
    return AutoTokenizer.from_pretrained(name)("A Dog runs")["input_ids"]


seen = {
    "unchanged": tokens("unchanged"),
    "do_lower_case false in tokenizer_config.json": tokens(
        "cased", "tokenizer_config.json", json.dumps(config | {"do_lower_case": False})
    ),
    "cls_token [SEP] in special_tokens_map.json": tokens(
        "special", "special_tokens_map.json", json.dumps({"cls_token": "[SEP]"})
    ),
    "another vocab.txt": tokens("vocabulary", "vocab.txt", "\n".join(reversed(words)) + "\n"),
}
for what, ids in seen.items():
    print(f"{what}: {ids}")
unchanged, cased, special, vocabulary = seen.values()
sys.exit(not (unchanged == vocabulary and cased != unchanged and special != unchanged))
PY
