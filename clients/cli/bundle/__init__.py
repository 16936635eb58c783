"""`debug bundle`: what somebody who helps needs to know of an installation, and nothing that is secret."""
