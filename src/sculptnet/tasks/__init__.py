"""Tasks: how data of one kind is opened, and its networks trained, judged and shown."""
