"""Which tests run where, from which seed, and that no test is skipped unnoticed."""

import os

import keras
import pytest


def pytest_configure(config):
    """Registers the marker `backends`."""
    config.addinivalue_line(
        "markers", "backends(*names): the test runs on these Keras backends only"
    )


def pytest_collection_modifyitems(config, items):
    """Leaves out tests that cannot hold on this backend."""
    name = keras.backend.backend()
    kept, left_out = [], []
    for item in items:
        marker = item.get_closest_marker("backends")
        runs = marker is None or name in marker.args
        (kept if runs else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(autouse=True)
def seed_of_unseeded_models():
    """Makes the body of a test draw the same numbers, alone or among others."""
    keras.utils.set_random_seed(0)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    """Fails a run of continuous integration that skipped a test."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if skipped and os.environ.get("CI"):
        reporter.write_line(f"{len(skipped)} tests were skipped; CI allows none.")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
