# SPDX-License-Identifier: Apache-2.0
"""The modules under test are those of tools/lib."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
