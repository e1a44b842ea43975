"""doc/models.md: its code runs as it stands, and does what the page says."""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

PAGE = (Path(__file__).resolve().parents[1] / "doc" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
HAS_JAX = importlib.util.find_spec("jax") is not None
needs_jax = pytest.mark.skipif(not HAS_JAX, reason="jax is in the extra dev")


def uses_jax(block):
    return "jnp" in block


@pytest.fixture(scope="module")
def page():
    """Names that the blocks define, run one after the other; those that need JAX where it is."""
    names = {}
    for block in BLOCKS:
        if HAS_JAX or not uses_jax(block):
            exec(block, names)
    return names


def figures(*, by_jax):
    """Names that the page gives a number in a comment, with that number."""
    text = "\n".join(block for block in BLOCKS if uses_jax(block) == by_jax)
    return re.findall(r"^(\w+) = .*  # ([\d.]+)$", text, flags=re.MULTILINE)


def test_the_model_takes_less_than_40_lines():
    assert "class Bilinear" in BLOCKS[0]
    assert len(BLOCKS[0].strip().splitlines()) < 40


@pytest.mark.parametrize("name, figure", figures(by_jax=False))
def test_figures(page, name, figure):
    assert page[name] == pytest.approx(float(figure), rel=0.1)


@needs_jax
@pytest.mark.parametrize("name, figure", figures(by_jax=True))
def test_figures_by_jax(page, name, figure):
    assert page[name] == pytest.approx(float(figure), rel=0.2)


def test_the_model_beats_the_linear_one_on_new_rows(page):
    assert {name for name, _ in figures(by_jax=False)} == {"kl_linear", "kl_bilinear", "kl_best"}
    assert page["kl_bilinear"] < 0.1 * page["kl_linear"]
    assert page["kl_best"] < 0.1 * page["kl_linear"]


@needs_jax
def test_functions_beat_the_linear_model_on_new_rows(page):
    assert page["kl_by_jax"] == pytest.approx(page["kl_bilinear"], rel=0.1)
    assert page["kl_mixture"] < 0.5 * page["kl_linear"]


def test_rank_1_is_worse_and_rank_3_no_better(page):
    results = page["search"].cv_results_
    scores = {rank: [] for rank in (1, 2, 3)}
    for params, score in zip(results["params"], results["mean_test_score"], strict=True):
        scores[params["klclassifier__model__rank"]].append(score)
    best = {rank: max(found) for rank, found in scores.items()}
    (claimed,) = re.findall(r"worse than rank 2 by ([\d.]+) nats", PAGE)
    assert best[2] - best[1] == pytest.approx(float(claimed), rel=0.1)
    assert best[3] == pytest.approx(best[2], abs=1e-4)


def test_the_arrays_of_the_fitted_model(page):
    assert [array.shape for array in (page["W"], page["b"], page["A"], page["C"])] == [
        (4, 1),
        (1,),
        (4, 2),
        (4, 2),
    ]
    logits = page["bilinear"].model_.logits(page["bilinear"].theta_, page["X_new"])
    np.testing.assert_allclose(page["bilinear"].decision_function(page["X_new"]), logits[0])


def test_the_message_about_a_wrong_line(page):
    (message,) = re.findall(r"^    ValueError: (.*?)\n\n", PAGE, flags=re.MULTILINE | re.DOTALL)
    names = {}
    exec(BLOCKS[0].replace("(d_products * (X @ A))", "(d_products * (X @ C))"), names)
    with pytest.raises(ValueError) as caught:
        page["check_model"](names["Bilinear"](rank=2))
    assert str(caught.value) == " ".join(message.split())


def test_a_fit_leaves_the_instance_alone_and_restarts_are_reproducible(page):
    model = page["Bilinear"](rank=1)
    clf = page["KLClassifier"](model, n_init=2, random_state=3)
    first, second = (clone(clf).fit(page["X"], page["votes"]) for _ in range(2))
    np.testing.assert_array_equal(first.theta_, second.theta_)
    assert vars(clf.fit(page["X"], page["votes"]).model) == {"rank": 1}
    assert clf.model_.n_features == 4
    assert clf.optimality_gap_ is None


def test_what_the_penalty_applies_to(page):
    W, b, A, C = (
        page["Bilinear"](rank=2)
        .bind(4, 3)
        .split(np.array(page["Bilinear"](rank=2).bind(4, 3).penalised))
    )
    assert W.all()
    assert A.all()
    assert C.all()
    assert not b.any()


def test_sparse_and_float32_features(page):
    import scipy.sparse as sp

    X, votes = page["X"][:100], page["votes"][:100]
    dense = page["KLClassifier"](page["Bilinear"](), random_state=0).fit(X, votes)
    for container in (sp.csr_array, sp.csc_array):
        sparse = page["KLClassifier"](page["Bilinear"](), random_state=0).fit(container(X), votes)
        np.testing.assert_allclose(sparse.cross_entropy_, dense.cross_entropy_, atol=1e-5)
    model = page["Bilinear"]().bind(4, 3)
    assert model.logits(np.ones(model.n_params), X.astype(np.float32)).dtype == np.float32
