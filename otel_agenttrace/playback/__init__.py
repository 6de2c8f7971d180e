"""Answer calls from a cassette: request in, recorded call or a miss that tells its cure out. Pure."""
