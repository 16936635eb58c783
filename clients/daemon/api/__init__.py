"""The daemon's local API: JSON over HTTP on a unix socket."""
