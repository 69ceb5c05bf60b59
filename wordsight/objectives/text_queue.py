"""Texts of earlier steps, of which one may say what an image shows too: a queue, first in, first out.

Nearest-neighbour supervision (DeCLIP, Li et al. 2022, Section 3.2.3, https://arxiv.org/abs/2110.05208).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordsight.objectives.two_towers import Matching, negatives


@dataclass(frozen=True)
class NearestTexts:
    """For each of T texts of a step, the text of the queue that is nearest to it.

    Args:
        vectors_TZ: Its embedding, without gradients.
        place_T: Its place in the queue.
        found_T: Whether there is one: the queue may hold nothing that is not the image's own.
        negative_BT: Whether it is another's than an image's, as in :class:`Matching`.
    """

    vectors_TZ: Tensor
    place_T: Tensor
    found_T: Tensor
    negative_BT: Tensor


class TextQueue(nn.Module):
    """The last Q texts of a run: embeddings, and whose they are; in buffers, so that a resumed run has the same.

    Args:
        size: How many texts it holds, Q.
        width: Width of their embeddings.
    """

    vectors_QZ: Tensor
    example_Q: Tensor
    text_Q: Tensor
    next: Tensor

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.register_buffer("vectors_QZ", torch.zeros(size, width))
        # -1 where the queue is not filled yet.
        self.register_buffer("example_Q", torch.full((size,), -1))
        self.register_buffer("text_Q", torch.full((size,), -1))
        self.register_buffer("next", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def nearest(self, texts_TZ: Tensor, image_T: Tensor, example_B: Tensor, text_Bc: Tensor) -> NearestTexts:
        """The nearest texts that are not the images' own, and do not read like one of these.

        Args:
            texts_TZ: Embeddings of unit length.
            image_T: The image that each text was drawn for.
            example_B: Which example each image is.
            text_Bc: Numbers of the texts that were drawn for it.
        """
        negative_BQ = negatives(example_B, text_Bc, self.example_Q, self.text_Q) & (self.example_Q >= 0)
        allowed_TQ = negative_BQ[image_T]
        place_T = (texts_TZ @ self.vectors_QZ.T).masked_fill(~allowed_TQ, -torch.inf).argmax(1)
        return NearestTexts(self.vectors_QZ[place_T], place_T, allowed_TQ.any(1), negative_BQ[:, place_T])

    @torch.no_grad()
    def push(self, texts_TZ: Tensor, example_T: Tensor, text_T: Tensor) -> None:
        """Put a step's texts in, in their order, and as many of the oldest out.

        Args:
            texts_TZ: Embeddings of unit length.
            example_T: The example that each belongs to.
            text_T: Their numbers.
        """
        size = len(self.example_Q)
        count = min(len(text_T), size)
        places = (self.next + torch.arange(count, device=self.next.device)) % size
        self.vectors_QZ[places] = texts_TZ[-count:].to(self.vectors_QZ.dtype)
        self.example_Q[places], self.text_Q[places] = example_T[-count:], text_T[-count:]
        self.next.copy_((self.next + count) % size)


def nearest_loss(images_BZ: Tensor, matching: Matching, nearest: NearestTexts, scale: Tensor) -> Tensor:
    """The mean over texts of the cross-entropy of finding, from the image, the text that is nearest to its own.

    With q(t) the text of the queue that is nearest to text t, of image i: -log(exp s_iq(t) / (exp s_iq(t) + the sum of
    exp s_iq(u) over those texts u of the step that are not of image i, where q(u) is neither q(t) nor image i's own)).

    Args:
        images_BZ: Embeddings of unit length.
        matching: Which texts are whose.
        nearest: The nearest texts; a text without one is left out.
        scale: What cosines are multiplied by.
    """
    real_T = nearest.found_T
    image_R, place_R = matching.image_T[real_T], nearest.place_T[real_T]
    if not len(image_R):
        return images_BZ.sum() * 0
    others_RR = (matching.negative_BT & nearest.negative_BT)[:, real_T][image_R] & (place_R[:, None] != place_R[None])
    own_R = torch.arange(len(image_R), device=image_R.device)
    logits_RR = scale * images_BZ[image_R] @ nearest.vectors_TZ[real_T].T
    among_RR = logits_RR.masked_fill(~(others_RR | (own_R[:, None] == own_R[None])), -torch.inf)
    return nn.functional.cross_entropy(among_RR, own_R)
