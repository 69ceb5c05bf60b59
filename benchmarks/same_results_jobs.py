"""The small jobs that `same_results.py` gives to both code trees, and the few files that these read."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import same_results_renamed as renamed
from PIL import Image

_CLASSES = ("dog", "boat", "kite", "tree")
_PLACES = ("on green grass", "near the water", "under a grey sky", "beside an old wall", "in the snow")
_SMALL = "--image-size 32 --batch-size 16 --epochs 3 --workers 0 --precision fp32 --device cpu --seed 0 --lr 0.002"
_NET = "--backbone-settings.stages 3 --backbone-settings.last-stride 1"
_TRAIN = f"pretrain --corpus corpora/scenes {_SMALL} {_NET}"
_TASKS = "corpus:unseen,folder:photos,multilabel:several.csv"

# Own protocols, as those of the package take minutes; a protocol gives every setting of its method.
_FINE_TUNE = """\
method: fine-tune
label_share: 1.0
epochs: 1
least_steps: 6
batch: 16
lr: 0.0005
head_rate: 10.0
weight_decay: 0.05
warmup_share: 0.1
views: {crop_scale: 0.25, crop_ratio: 1.3333333333333333, flip: 0.5, jitter: 0.4}
image_size: 0
crop_share: 0.875
seed: 0
average_precision: sklearn
"""
_STEPS = """\
method: sgd-probe
layers: [res3, res4]
numbers: 2048
batch_norm: true
image_size: 0
crop_share: 0.875
views: {crop_scale: 0.5, crop_ratio: 1.3333333333333333, flip: 0.5, jitter: 0.0}
one_label: {lr: 0.005, batch: 16, epochs: 3, crops: 1}
several_labels: {lr: 0.005, batch: 16, epochs: 3, crops: 10}
momentum: 0.9
weight_decay: 0.0001
seed: 0
average_precision: sklearn
"""


@dataclass(frozen=True)
class Job:
    """One command whose outcome is compared.

    Args:
        name: What the table calls it.
        words: The command line of the tree before.
        out: The folder or file that is compared.
        needs: The jobs that must be done before.
        stopped: Whether it is interrupted once it has a checkpoint, and then resumed.
        same_as: A job whose losses and tensors must be the same within each tree.
    """

    name: str
    words: str
    out: str
    needs: tuple[str, ...] = ()
    stopped: bool = False
    same_as: str = ""

    def command(self, after: bool) -> list[str]:
        """Its words, as the tree before or the tree after understands them."""
        words = shlex.split(renamed.COMMANDS.get(self.name, self.words) if after else self.words)
        return [renamed.WORDS.get(word, word) for word in words] if after else words


def _run(name: str, words: str, *needs: str) -> Job:
    return Job(name, f"{_TRAIN} {words} --out runs/{name}", f"runs/{name}", ("scenes", *needs))


def _measured(name: str, run: str, words: str, *needs: str) -> Job:
    return Job(name, f"evaluate runs/{run} {words} --device cpu --jobs 1 --out measured/{name}", f"measured/{name}",
               (run, *needs))  # fmt: skip


def jobs() -> list[Job]:
    """All jobs, each after those that it needs."""
    tags = "--recipe tp-postag-resnet18-small --concepts concepts/nouns"
    several = '--concepts "{nouns: concepts/nouns, topics: concepts/topics}"'
    scenes = "--corpus corpora/scenes"
    made = [
        Job("scenes", "corpus build pictures --count 72 --val-count 0 --test-count 32 --size 48 "
            "--out corpora/scenes", "corpora/scenes"),
        Job("unseen", "corpus build pictures --task unseen --train-per-class 3 --test-per-class 1 --size 40 "
            "--out unseen", "unseen"),
        Job("photos", "corpus build table captions.csv --images photos --min-tokens 2 --test-share 0.25 "
            "--out corpora/photos", "corpora/photos"),
        Job("nouns", f"concepts build postag {scenes} --size 60 --parts nouns --out concepts/nouns", "concepts/nouns",
            ("scenes",)),
        Job("clusters", f"concepts build clusters {scenes} --size 8 --iterations 5 --out concepts/clusters",
            "concepts/clusters", ("scenes",)),
        Job("topics", f"concepts build topics {scenes} --size 5 --min-count 3 --out concepts/topics", "concepts/topics",
            ("scenes",)),
        Job("photo-words", "concepts build words --corpus corpora/photos --size 12 --min-count 2 --out concepts/photos",
            "concepts/photos", ("photos",)),
    ]  # fmt: skip
    trained = [
        _run("tags", f"{tags} --view.jitter 0.4", "nouns"),
        Job("tags-resumed", f"{_TRAIN} {tags} --view.jitter 0.4 --out runs/tags-resumed", "runs/tags-resumed",
            ("tags",), stopped=True, same_as="tags"),
        _run("attfc", "--recipe icmlm-attfc-resnet18-small --concepts concepts/nouns", "nouns"),
        _run("tfm", "--recipe icmlm-tfm-resnet18-small --concepts concepts/nouns --objective-settings.heads 4 "
             "--masks-per-image 2", "nouns"),
        _run("sets", f"--recipe tp-postag-resnet18-small {several} --optimizer.name sgd --optimizer.heads-rate 2 "
             "--sampling concepts", "nouns", "topics"),
        _run("attfc-sets", f"--recipe demo {several} --objective-settings.set_weights.topics 0.5", "nouns", "topics"),
        _run("rotation", "--recipe rotation-resnet18-small"),
        _run("deepercluster", "--recipe deepercluster-resnet18-small --objective-settings.clusters 6 "
             "--objective-settings.every_epochs 1 --objective-settings.components 16"),
    ]  # fmt: skip
    measured = [
        _measured("tags-probes", "tags", f"--task {_TASKS} --protocol logistic,ridge,knn,few-shot", "unseen"),
        _measured("tags-svm", "tags", "--task multilabel:several.csv --protocol voc07-svm-vissl --framing pad"),
        _measured("tags-steps", "tags", "--task folder:photos,multilabel:several.csv --protocol steps.yaml"),
        _measured("tags-fine-tune", "tags", "--task folder:photos,multilabel:several.csv --protocol tune.yaml"),
        _measured("tags-zero-shot", "tags", "--task corpus:corpora/scenes,folder:photos --protocol zero-shot"),
        _measured("tags-captions", "tags", f"{scenes} --protocol tags,retrieval"),
        _measured("attfc-captions", "attfc", f"{scenes} --protocol masked-words,pointing,tags,retrieval"),
        _measured("tfm-captions", "tfm", f"{scenes} --protocol masked-words,pointing --split train,test"),
        _measured("sets-captions", "sets", f"{scenes} --protocol tags"),
        _measured("rotation-probes", "rotation", "--task folder:photos --protocol logistic"),
        Job("table", "compare measured/tags-probes measured/rotation-probes --out compared.csv", "compared.csv",
            ("tags-probes", "rotation-probes")),
        Job("words", f"explain words runs/tags key tree --device cpu {scenes} --out words.json", "words.json",
            ("tags",)),
        Job("coverage", "coverage corpora/scenes --classes names.txt --out coverage.json", "coverage.json",
            ("scenes",)),
    ]  # fmt: skip
    return made + trained + measured


def asked_for(names: list[str]) -> list[Job]:
    """The jobs of these names, or of names that begin so, with all that they need; all for no names.

    Raises:
        SystemExit: When no job's name begins so.
    """
    every = {job.name: job for job in jobs()}
    for name in names:
        if not any(found.startswith(name) for found in every):
            raise SystemExit(f"no job {name!r}; there are {', '.join(every)}")
    wanted = {found for found in every if not names or any(found.startswith(name) for name in names)}
    for job in reversed(every.values()):
        if job.name in wanted:
            wanted |= set(job.needs)
    return [job for job in every.values() if job.name in wanted]


def digest() -> str:
    """Tells outcomes of these jobs from those of other ones, which can't be compared with them."""
    return hashlib.sha256(repr((jobs(), _FINE_TUNE, _STEPS, _CLASSES, _PLACES)).encode()).hexdigest()[:16]


def write_inputs(folder: Path, after: bool) -> None:
    """Write what the jobs read: photos in class folders, tables of labels and captions, protocols, names."""
    noise = np.random.default_rng(0)
    captions, labels = ["image,caption"], [f"image,{','.join(_CLASSES)},split"]
    for k in range(48):
        kind, place = k % len(_CLASSES), (k // 4) % len(_PLACES)
        split = "train" if k < 32 else "test"
        height, width = (40, 56) if k % 3 else (64, 44)
        pixels = noise.integers(0, 90, (height, width, 3))
        pixels[:, :, kind % 3] += 40 * (kind + 1)
        pixels[: 8 + 4 * place] //= 2
        name = f"{split}/{_CLASSES[kind]}/{k:02}.{'png' if k % 5 == 0 else 'jpg'}"
        (folder / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "photos" / name)
        captions += [f"{name},a {_CLASSES[kind]} {_PLACES[place]}", f"{name},one {_CLASSES[kind]} is here"]
        true = {kind} if k % 2 else {kind, (kind + 1 + place) % 4}
        labels.append(f"photos/{name},{','.join(str(int(c in true)) for c in range(4))},{split}")
    (folder / "captions.csv").write_text("\n".join(captions) + "\n")
    (folder / "several.csv").write_text("\n".join(labels) + "\n")
    (folder / "names.txt").write_text("key\nice cream\ntree\nhouse\nunicorn\n")
    for name, text in (("tune.yaml", _FINE_TUNE), ("steps.yaml", _STEPS)):
        for before, now in renamed.PROTOCOLS.items() if after else ():
            text = text.replace(before, now)
        (folder / name).write_text(text)
