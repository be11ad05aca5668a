import pytest

pytest.register_assert_rewrite("atoll.testing.database_suite")
