"""Prices and weather from outside: who is asked, when again, what is believed, and a cache that outlives a reboot."""
