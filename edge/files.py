"""What the files of a box's state folder are called."""

STORE_NAME = "store.sqlite"
SOCKET_NAME = "control.sock"
FEEDS_NAME = "feeds.sqlite"
RECORDER_NAME = "recorder"
