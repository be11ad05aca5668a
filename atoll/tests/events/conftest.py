import pytest

pytest.register_assert_rewrite("atoll.testing.broker_suite")
