"""What a running fit tells: log lines, the path of the loss, scikit-learn's callbacks."""

import logging
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from sklearn_kl import KLClassifier
from sklearn_kl.datasets import make_soft_classification
from sklearn_kl.metrics import cross_entropy_loss, neg_cross_entropy_scorer
from sklearn_kl.models import CallableModel, MLPSoftmax
from sklearn_kl.solvers._methods import SOLVERS

EVERY_SOLVER = sorted(SOLVERS)


@pytest.fixture
def data():
    X, y, _ = make_soft_classification(80, 5, 3, random_state=0)
    return X, y


# ---- the path of the loss


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_loss_path_ends_at_the_loss_of_the_model(solver, data):
    X, y = data
    clf = KLClassifier(solver=solver).fit(X, y)
    assert clf.loss_path_.shape == (clf.n_iter_,)
    assert clf.loss_path_[-1] == clf.cross_entropy_
    assert clf.cross_entropy_ == pytest.approx(
        cross_entropy_loss(y, clf.predict_proba(X)), rel=1e-12
    )


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_loss_falls_without_a_penalty(solver, data):
    path = KLClassifier(solver=solver, C=np.inf).fit(*data).loss_path_
    assert (np.diff(path) <= 0).all()


# ---- log lines


def test_verbose_logs_one_line_per_iteration(data, caplog):
    with caplog.at_level(logging.INFO, logger="sklearn_kl"):
        clf = KLClassifier(verbose=1).fit(*data)
    lines = [record.getMessage() for record in caplog.records if record.name == "sklearn_kl"]
    assert len(lines) == clf.n_iter_
    for number, (line, loss) in enumerate(zip(lines, clf.loss_path_, strict=True), start=1):
        assert f"iteration {number}: cross-entropy {loss:.9g} nats" in line
        assert "estimated gap" in line


def test_silence_is_the_default(data, caplog, capfd):
    with caplog.at_level(logging.DEBUG, logger="sklearn_kl"):
        KLClassifier().fit(*data)
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@contextmanager
def bare_logging():
    """Logging as in a fresh interpreter: nobody has set up a handler."""
    root, package = logging.getLogger(), logging.getLogger("sklearn_kl")
    before = root.handlers[:], package.handlers[:], package.level
    root.handlers[:], package.handlers[:] = [], []
    package.setLevel(logging.NOTSET)
    try:
        yield
    finally:
        root.handlers[:], package.handlers[:] = before[0], before[1]
        package.setLevel(before[2])


def test_verbose_reaches_the_terminal_where_nobody_set_up_logging(data, capfd):
    with bare_logging():
        clf = KLClassifier(verbose=1).fit(*data)
        clf.fit(*data)
    out, err = capfd.readouterr()
    assert out == ""
    # Twice the lines for two fits: no handler is added twice.
    assert len(err.splitlines()) == 2 * clf.n_iter_


# ---- scikit-learn's callbacks, from 1.9


@pytest.fixture
def callback():
    return pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks since 1.9")


class Recorder:
    """Keeps what it is told and asks to stop after some iterations."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.events, self.losses, self.seen = [], [], {}

    def setup(self, estimator, context):
        self.events.append("setup")
        self.n_subtasks = None

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(f"begin {context.task_name}")
        if context.task_name == "fit":
            self.n_subtasks = context.max_subtasks

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, fitted_estimator=None, metadata=None
    ):
        self.events.append(f"end {context.task_name}")
        self.seen = {"X": X, "y": y, "metadata": metadata}
        if context.task_name == "iteration":
            self.losses.append(cross_entropy_loss(y, fitted_estimator.predict_proba(X)))
            return len(self.losses) == self.stop_after
        return False


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_callbacks_see_the_model_of_every_iteration(callback, solver, data):
    X, y = data
    recorder = Recorder()
    clf = KLClassifier(solver=solver).set_callbacks(recorder).fit(X, y)
    assert_allclose(recorder.losses, clf.loss_path_, rtol=1e-10)
    assert recorder.events[:2] == ["setup", "begin fit"]
    assert recorder.events[-2:] == ["end fit", "teardown"]
    assert recorder.events.count("begin iteration") == clf.n_iter_
    assert recorder.events.count("end iteration") == clf.n_iter_
    assert recorder.seen["y"] is y


class Watcher(Recorder):
    """Keeps where iterations begin and end, and how often the model was evaluated by then."""

    def __init__(self, calls):
        super().__init__()
        self.calls, self.work = calls, []
        self.begins, self.ends = [], []

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name == "iteration":
            self.begins.append(fitted_estimator.theta_)
            self.work.append(-len(self.calls))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        if context.task_name == "iteration":
            self.ends.append(fitted_estimator.theta_)
            self.work[-1] += len(self.calls)


def counted_model(calls):
    def fn(theta, X):
        calls.append(len(X))
        return X[:, :3] * theta[:3] + theta[3:]

    def gradient(theta, X, d_logits):
        return np.concatenate([(d_logits * X[:, :3]).sum(axis=0), d_logits.sum(axis=0)])

    return CallableModel(fn, 6, gradient=gradient, init=np.full(6, 0.3))


@pytest.mark.parametrize("params", [{"solver": name} for name in EVERY_SOLVER] + [{"l1_ratio": 1}])
def test_an_iteration_begins_before_its_work_and_where_the_last_one_ended(callback, params, data):
    calls = []
    watcher = Watcher(calls)
    clf = KLClassifier(counted_model(calls), tol=1e-4, **params).set_callbacks(watcher).fit(*data)
    assert len(watcher.begins) == len(watcher.ends) == clf.n_iter_ > 1
    assert_array_equal(watcher.begins, [np.full(6, 0.3), *watcher.ends[:-1]])
    assert_array_equal(watcher.ends[-1], clf.theta_)
    # A method needs at least one evaluation to find the next iterate.
    assert min(watcher.work) >= 1


def test_an_iteration_that_finds_nothing_ends_where_it_began(callback, data):
    calls = []
    watcher, model = Watcher(calls), counted_model(calls)
    wrong = CallableModel(
        model.fn, 6, gradient=lambda *args: -model.gradient(*args), init=model.init
    )
    with pytest.warns(ConvergenceWarning, match="stopped after 0 iterations"):
        KLClassifier(wrong, solver="gd").set_callbacks(watcher).fit(*data)
    assert_array_equal(watcher.begins, [np.full(6, 0.3)])
    assert_array_equal(watcher.ends, watcher.begins)


def test_callbacks_see_every_start_and_a_stop_ends_all(callback, data):
    X, y = data
    model = MLPSoftmax((3,), activation="tanh")
    params = {"n_init": 3, "random_state": 0, "tol": 1e-3}
    recorder = Recorder()
    clf = KLClassifier(model, **params).set_callbacks(recorder).fit(X, y)
    assert recorder.events.count("begin fit") == 1
    assert recorder.n_subtasks == 3 * clf.max_iter
    n_iterations = recorder.events.count("end iteration")
    assert n_iterations > clf.n_iter_
    # The path that is kept is that of the best start, one of the three.
    windows = np.lib.stride_tricks.sliding_window_view(recorder.losses, clf.n_iter_)
    assert np.isclose(windows, clf.loss_path_, rtol=1e-10).all(axis=1).any()
    recorder = Recorder(stop_after=2)
    clf = KLClassifier(model, **params).set_callbacks(recorder).fit(X, y)
    assert recorder.events.count("end iteration") == clf.n_iter_ == 2


def test_callbacks_change_nothing(callback, data):
    plain, watched = KLClassifier(), KLClassifier().set_callbacks(Recorder())
    assert_array_equal(plain.fit(*data).coef_, watched.fit(*data).coef_)


def test_callbacks_are_given_the_sample_weight(callback, data):
    recorder, weight = Recorder(), np.ones(80)
    KLClassifier().set_callbacks(recorder).fit(*data, sample_weight=weight)
    assert_array_equal(recorder.seen["metadata"]["sample_weight"], weight)


@pytest.mark.parametrize("solver", EVERY_SOLVER)
def test_a_stop_request_leaves_a_usable_model_without_a_warning(callback, solver, data):
    X, y = data
    recorder = Recorder(stop_after=2)
    clf = KLClassifier(solver=solver, tol=1e-12).set_callbacks(recorder).fit(X, y)
    assert clf.n_iter_ == 2
    assert len(clf.loss_path_) == 2
    assert not clf.converged_
    assert cross_entropy_loss(y, clf.predict_proba(X)) == pytest.approx(recorder.losses[-1])
    assert recorder.events[-2:] == ["end fit", "teardown"]


def test_teardown_comes_after_an_error_too(callback, data):
    class Broken(Recorder):
        def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
            raise RuntimeError("broken callback")

    broken = Broken()
    with pytest.raises(RuntimeError, match="broken callback"):
        KLClassifier().set_callbacks(broken).fit(*data)
    assert broken.events == ["setup", "teardown"]


def test_scoring_monitor(callback, data):
    X, y = data
    monitor = callback.ScoringMonitor(scoring=neg_cross_entropy_scorer)
    clf = KLClassifier().set_callbacks(monitor).fit(X, y)
    scores = [row["score"] for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert_allclose(scores, -clf.loss_path_, rtol=1e-10)


def test_scoring_monitor_of_accuracy_on_labels(callback, data):
    X, y = data
    labels = y.argmax(axis=1)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = KLClassifier().set_callbacks(monitor).fit(X, labels)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert len(scores) == clf.n_iter_
    assert scores[-1] == clf.score(X, labels)


def test_scoring_monitor_with_weights_and_distributions_by_the_metadata_route(callback, data):
    X, y = data
    labels, weight = y.argmax(axis=1), np.random.default_rng(0).uniform(0.5, 2, size=80)
    monitor = callback.ScoringMonitor(scoring="accuracy")
    clf = KLClassifier().set_callbacks(monitor)
    clf.fit(X, labels, sample_weight=weight, target_proba=y)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "iteration"]
    assert len(scores) == clf.n_iter_
    assert scores[-1] == pytest.approx(clf.score(X, labels, weight))


def test_progress_bar(callback, data, capsys):
    pytest.importorskip("rich")
    clf = KLClassifier().set_callbacks(callback.ProgressBar()).fit(*data)
    assert clf.converged_
    assert "KLClassifier" in capsys.readouterr().out


def test_callbacks_in_a_grid_search(callback, data):
    pytest.importorskip("rich")
    X, y = data
    search = GridSearchCV(KLClassifier(), {"C": [0.1, 1.0]}, cv=2)
    search.set_callbacks(callback.ProgressBar(max_propagation_depth=2)).fit(X, y.argmax(axis=1))
    assert search.best_estimator_.converged_


def test_callbacks_survive_clone(callback, data):
    recorder = Recorder()
    clone(KLClassifier().set_callbacks(recorder)).fit(*data)
    assert recorder.events.count("setup") == 1
