#!/usr/bin/env bash
# Pillow 13.0.0: an image's EXIF orientation says whether its pixels still have to be turned, but for TIFF.
#
# One would guess: `getexif()[0x0112]` is 6 for a photo that was taken upright, the pixels lie on their side until
# `ImageOps.exif_transpose` or one's own `transpose` turns them, and that is so for every format that holds EXIF.
# Seen: so it is for JPEG, PNG and WebP. A TIFF says 6 before it is loaded, but its `size` is the turned one already,
# `load()` turns the pixels, and the tag is then gone. Code that reads the orientation first and turns the loaded pixels
# by it turns a TIFF twice; code that reads it after loading is right for TIFF too.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env" && "$folder/env/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/env/bin/python" - <<'PY'
import io
import sys

from PIL import Image

orientation = 0x0112
exif = Image.Exif()
exif[orientation] = 6
seen = {}
for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
    file = io.BytesIO()
    Image.new("RGB", (32, 16)).save(file, kind, exif=exif)
    image = Image.open(io.BytesIO(file.getvalue()))
    before = (image.size, image.getexif().get(orientation))
    image.load()
    seen[kind] = (before, (image.size, image.getexif().get(orientation)))
    print(f"{kind}: size and orientation before loading {before}, after {seen[kind][1]}")
lying = (((32, 16), 6), ((32, 16), 6))
expected = {"JPEG": lying, "PNG": lying, "WEBP": lying, "TIFF": (((16, 32), 6), ((16, 32), None))}
sys.exit(seen != expected)
PY
