"""`python -m shop_users`: the users service as a process of its own; `… admin create` and `… keys list` beside it."""

import os
import sys

from atoll.lifecycle import main
from shop_users.app import create_app
from shop_users.settings import UsersSettings

if __name__ == "__main__":
    if len(sys.argv) > 1:
        from shop_users.command_line import commands

        commands(prog_name="atoll" if "ATOLL_DATA" in os.environ else "python -m shop_users")
    main("users", create_app, UsersSettings)
