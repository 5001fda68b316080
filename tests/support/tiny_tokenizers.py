"""Make tokenizers of the real classes that spell every word letter by letter, without a hub."""

from __future__ import annotations

import io
import string
import tempfile
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertTokenizer,
    CLIPTokenizer,
    GemmaTokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Tokenizer,
    T5Tokenizer,
)

LETTERS = string.ascii_letters + string.digits + string.punctuation
BOS, EOS = "<|startoftext|>", "<|endoftext|>"
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}{% endfor %}{% endif %}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""As Qwen's, and for the others that are spoken to as to a chat."""


def clip() -> CLIPTokenizer:
    """Make CLIP's tokenizer from objects: transformers 5 ignores vocabulary and merges given as files."""
    letters = sorted(ByteLevel.alphabet())
    words = [BOS, EOS, *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab=_numbered(words), merges=[], model_max_length=77)


def t5(longest: int = 512) -> T5Tokenizer:
    letters = [(letter, -3.0) for letter in LETTERS]
    specials = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    return T5Tokenizer(vocab=[*specials, *letters], extra_ids=0, model_max_length=longest)


def gemma() -> GemmaTokenizer:
    words = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS]
    return GemmaTokenizer(vocab=_numbered(words), merges=[], model_max_length=8192)


def llama() -> LlamaTokenizer:
    words = ["<unk>", "<s>", "</s>", "▁", *LETTERS]
    return LlamaTokenizer(vocab=_numbered(words), merges=[], pad_token="</s>", model_max_length=512)


def qwen(*more: str) -> Qwen2Tokenizer:
    """Make Qwen's tokenizer with `more` special tokens."""
    specials = ["<|im_start|>", "<|im_end|>", *more]
    words = [EOS, *specials, *sorted(ByteLevel.alphabet())]
    tokenizer = Qwen2Tokenizer(vocab=_numbered(words), merges=[], model_max_length=4096)
    tokenizer.add_special_tokens({"additional_special_tokens": specials})
    tokenizer.chat_template = CHAT
    return tokenizer


def glm() -> PreTrainedTokenizerFast:
    """Make CogView4's tokenizer, which has no separate class."""
    words = [EOS, "[gMASK]", "<sop>", *sorted(ByteLevel.alphabet())]
    spelled = Tokenizer(BPE(vocab=_numbered(words), merges=[]))
    spelled.pre_tokenizer = ByteLevel(add_prefix_space=False)
    begin = [("[gMASK]", 1), ("<sop>", 2)]
    spelled.post_processor = TemplateProcessing(single="[gMASK] <sop> $A", special_tokens=begin)
    return PreTrainedTokenizerFast(
        tokenizer_object=spelled, pad_token=EOS, eos_token=EOS, model_max_length=1024
    )


def chat_glm() -> Any:
    """Make Kolors' tokenizer: diffusers' own class, which splits words with a trained sentencepiece model."""
    from diffusers.pipelines.kolors import ChatGLMTokenizer
    from sentencepiece import SentencePieceTrainer

    taught = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter([f"{LETTERS} a red knight before a castle by the sea"]),
        model_writer=taught,
        vocab_size=120,
        character_coverage=1.0,
        model_type="bpe",
        pad_id=3,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    file = Path(tempfile.mkdtemp(prefix="tiny-chatglm-")) / "tokenizer.model"  # It is read again on saving.
    file.write_bytes(taught.getvalue())
    return ChatGLMTokenizer(str(file))


def bert() -> BertTokenizer:
    small = string.ascii_lowercase + string.digits
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*specials, *small, *string.punctuation, *(f"##{letter}" for letter in small)]
    return BertTokenizer(vocab=_numbered(words), model_max_length=77)


def _numbered(words: list[str]) -> dict[str, Any]:
    return {word: number for number, word in enumerate(words)}
