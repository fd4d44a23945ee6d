/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ledger/shards.h"

TEST_MAIN()
