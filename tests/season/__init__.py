# SPDX-License-Identifier: Apache-2.0
"""Seasons of real matches with odds, and what bets on them must come to. See README.md."""
