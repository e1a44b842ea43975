"""What the loaders share: frames need pandas, arrays do not."""

import sys

import pytest

from sklearn_kl.datasets import load_housing, load_wine_ratings


@pytest.mark.parametrize("load", [load_housing, load_wine_ratings])
def test_without_pandas_frames_say_what_to_install(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert load().data.any()
    with pytest.raises(ImportError, match=r'as_frame=True requires .*"sklearn-kl\[pandas\]"'):
        load(as_frame=True)
