"""The way of one study: plan, fetch, transform, deliver, confirm, and the ledger that proves it."""
