#!/usr/bin/env bash
# datasets 5.2.0 with pandas 3.1.1, numpy 2.4.6: a list column survives neither `to_csv` nor the usual way of reading it.
#
# One would guess: `Dataset.to_csv` writes a list of captions as JSON or as Python prints a list, and `ast.literal_eval`
# gives it back.
# Seen: the cell is what NumPy prints, without commas. To Python two strings with a blank between them are one string:
# `literal_eval` raises nothing, and gives one caption that is both, glued together.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check \
  datasets==5.2.0 pandas==3.1.1 numpy==2.4.6 pyarrow==26.0.1
cd "$folder" && HF_HOME="$folder/hub" HF_HUB_OFFLINE=1 "$folder/env/bin/python" - <<'PY'
import ast
import sys

from datasets import Dataset

captions = ["a dog runs", "a brown dog"]
Dataset.from_dict({"captions": [captions]}).to_csv("captions.csv")
cell = Dataset.from_csv("captions.csv")[0]["captions"]
back = ast.literal_eval(cell)
print(f"put in {captions}\nin the file {cell}\nread by literal_eval {back}")
sys.exit(not (cell == "['a dog runs' 'a brown dog']" and back == ["a dog runsa brown dog"]))
PY
