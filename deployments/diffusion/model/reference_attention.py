"""Attend to reference pictures in a UNet, each row of a forward to its own or to none.

The mathematics are those of diffusers' IPAdapterAttnProcessor2_0. That class needs the same number of
pictures and one scale for all rows. Here both can differ by row, and a row can have no pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from deployments.diffusion.model.batched_calls import OfOneRow

OF_ROWS = "references"
"""An additional argument of the denoiser: a list with an OfOneRow of Tokens or None for each row."""


@dataclass(frozen=True)
class Tokens:
    """The references of one row: (tokens, channels) as the UNet's attention reads them, and their scale."""

    tokens: torch.Tensor
    scale: float


@dataclass(frozen=True)
class RowGroup:
    """Rows of one forward with equally many tokens: (rows, tokens, channels), and (rows, 1, 1) scales."""

    rows: list[int] | slice
    tokens: torch.Tensor
    scales: torch.Tensor


class Given:
    """The groups of rows that have references in the forward under way."""

    groups: Sequence[RowGroup] = ()


class ReferenceAttention(torch.nn.Module):
    """Cross-attention that also reads the references of its rows. `plain` is the attention without them."""

    def __init__(self, plain: Any, adapted: Any, given: Given) -> None:
        super().__init__()
        self.plain = plain
        self.to_key, self.to_value = adapted.to_k_ip[0], adapted.to_v_ip[0]
        self.given = given

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attend, with the argument names of diffusers' attention processors."""
        if not self.given.groups or encoder_hidden_states is None:
            plain: torch.Tensor = self.plain(attn, hidden_states, encoder_hidden_states, attention_mask)
            return plain
        residual = hidden_states
        rows, length, _ = encoder_hidden_states.shape
        if attention_mask is not None:
            attention_mask = attn.prepare_attention_mask(attention_mask, length, rows)
            attention_mask = attention_mask.view(rows, attn.heads, -1, attention_mask.shape[-1])
        query = _by_head(attn.to_q(hidden_states), attn.heads)
        key, value = (_by_head(read(encoder_hidden_states), attn.heads) for read in (attn.to_k, attn.to_v))
        attended = _attended(query, key, value, attention_mask)
        for group in self.given.groups:
            key, value = (_by_head(read(group.tokens), attn.heads) for read in (self.to_key, self.to_value))
            seen = group.scales * _attended(query[group.rows], key, value)
            attended[group.rows] = (attended[group.rows] + seen).to(attended.dtype)
        out: torch.Tensor = attn.to_out[1](attn.to_out[0](attended))
        whole = out + residual if attn.residual_connection else out
        return whole / float(attn.rescale_output_factor)


def _by_head(hidden: torch.Tensor, heads: int) -> torch.Tensor:
    rows, length, channels = hidden.shape
    return hidden.view(rows, length, heads, channels // heads).transpose(1, 2)


def _attended(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Return (rows, length, channels)."""
    attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended.transpose(1, 2).flatten(2).to(query.dtype)


class ReferenceRows:
    """Take the embeddings out of one pipeline's calls of its UNet, and give each row its own tokens."""

    def __init__(self, projection: Any, scale: float) -> None:
        self._projection = projection
        self._scale = scale
        self._seen: Any = None
        self._rows: list[OfOneRow] = []

    def carried(self, positional: tuple[Any, ...], keywords: Mapping[str, Any]) -> dict[str, Any]:
        """Return the keywords of a call with OF_ROWS in place of the embeddings."""
        added = dict(keywords.get("added_cond_kwargs") or {})
        embeddings = added.pop("image_embeds", None)
        if embeddings is None:
            return {**keywords, OF_ROWS: [OfOneRow()] * len(positional[0])}
        if embeddings is not self._seen:  # They are the same in each step.
            self._seen, (of_pictures,) = embeddings, embeddings
            tokens = self._projection(of_pictures.flatten(0, 1)).unflatten(0, of_pictures.shape[:2])
            self._rows = [OfOneRow(Tokens(row.flatten(0, 1), self._scale)) for row in tokens]
        return {**keywords, "added_cond_kwargs": added or None, OF_ROWS: self._rows}


def row_group(indices: list[int], rows: Sequence[Tokens | None]) -> RowGroup:
    own = [row for row in (rows[index] for index in indices) if row is not None]
    tokens = torch.stack([row.tokens for row in own])
    scales = torch.tensor([row.scale for row in own], device=tokens.device)[:, None, None]
    return RowGroup(slice(None) if len(indices) == len(rows) else indices, tokens, scales)
