import sys

from support.server import APPS

sys.path.insert(0, str(APPS))  # the tables of the applications name the tests' cases
