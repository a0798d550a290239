# SPDX-License-Identifier: Apache-2.0
"""Stand-ins for what a peer talks to, on loopback: a control plane and a PoP's dataplane."""
