"""Read pull requests through the REST API of GitHub, and keep them. The only room that asks another machine on its own."""
