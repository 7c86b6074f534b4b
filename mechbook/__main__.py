"""`python -m mechbook` is the command `mechbook`."""

import sys

from mechbook.command import main

sys.exit(main())
