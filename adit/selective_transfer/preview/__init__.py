"""What the de-identification would do to the studies of a basket, shown before the transfer."""
