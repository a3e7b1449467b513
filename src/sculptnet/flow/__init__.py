"""The stages of `sculptnet.fit`, one file each."""
